"""Attack: fill the disk with one file (100 MiB here)
Stopped by: user, bwrap
Proof: word
"""

import json
import sys

ARENA = json.loads(sys.argv[1])
with open("large", "wb") as file:
    for _ in range(100):
        file.write(bytes(1 << 20))
print("done", flush=True)

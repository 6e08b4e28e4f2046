"""Attack: fill the disk with many files (100 MiB here)
Stopped by: user, bwrap
Proof: word
"""

import json
import sys
import time

ARENA = json.loads(sys.argv[1])
for number in range(20):
    with open(f"/tmp/large-{ARENA['mark']}-{number}", "wb") as file:
        file.write(bytes(5 << 20))
time.sleep(1.5)
print("done", flush=True)

"""Attack: make files without end (3,000 empty ones here)
Stopped by: user, bwrap
Proof: word
"""

import json
import sys
import time

ARENA = json.loads(sys.argv[1])
for number in range(3000):
    open(f"file-{number}", "x").close()
time.sleep(1.5)
print("done", flush=True)

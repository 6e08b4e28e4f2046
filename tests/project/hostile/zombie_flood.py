"""Attack: make zombies without end (300 here)
Stopped by: user, bwrap
Proof: word
"""

import json
import os
import sys

ARENA = json.loads(sys.argv[1])
for _ in range(300):
    if os.fork() == 0:
        os._exit(0)
print("done", flush=True)

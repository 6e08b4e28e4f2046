"""Attack: take memory that no process has: files without a name, memfd_create(2) (300 MiB here)
Stopped by: user, bwrap
Proof: word
"""

import json
import os
import sys
import time

ARENA = json.loads(sys.argv[1])
files = [os.memfd_create("taken") for _ in range(30)]
for file in files:
    os.write(file, bytes(10 << 20))
time.sleep(1.5)
print("done", flush=True)

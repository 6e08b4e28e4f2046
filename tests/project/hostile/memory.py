"""Attack: take memory without end (300 MiB here)
Stopped by: user, bwrap
Proof: word
"""

import json
import sys
import time

ARENA = json.loads(sys.argv[1])
taken = [bytearray(b"x") * (10 << 20) for _ in range(30)]
time.sleep(1.5)
print("done", flush=True)

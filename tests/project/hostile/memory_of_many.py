"""Attack: take memory by many processes, each a little (300 MiB here)
Stopped by: user, bwrap
Proof: word
"""

import json
import os
import sys
import time

ARENA = json.loads(sys.argv[1])
reader, writer = os.pipe()
for _ in range(10):
    if os.fork() == 0:
        taken = bytearray(b"x") * (30 << 20)
        time.sleep(1.5)
        os.write(writer, b"x")
        time.sleep(20)
for _ in range(10):
    os.read(reader, 1)
print("done", flush=True)

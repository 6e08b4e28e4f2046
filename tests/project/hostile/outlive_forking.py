"""Attack: outlive its end by forking faster than one can look
Stopped by: user, bwrap
Proof: alive
"""

import json
import os
import sys
import time

ARENA = json.loads(sys.argv[1])
print("ready", flush=True)
end = time.monotonic() + 3
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()

"""Attack: outlive its end by forking on and on, a new session each time
Stopped by: user, bwrap
Proof: alive
"""

import json
import os
import sys
import time

ARENA = json.loads(sys.argv[1])
print("ready", flush=True)
end = time.monotonic() + 30
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.2)

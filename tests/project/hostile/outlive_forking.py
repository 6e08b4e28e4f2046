"""Attack: outlive its end by forking on and on, a new session each time
Stopped by: user, bwrap
Proof: alive
"""

import json
import os
import sys
import time

ARENA = json.loads(sys.argv[1])
end, said = time.monotonic() + 15, False
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
    if not said:
        print("ready", flush=True)
        said = True
    time.sleep(0.2)

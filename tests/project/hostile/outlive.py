"""Attack: outlive its end as a daemon that has left its session
Stopped by: user, bwrap
Proof: alive
"""

import json
import os
import sys
import time

ARENA = json.loads(sys.argv[1])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(300)
    os._exit(0)
os.wait()
print("ready", flush=True)
time.sleep(300)

"""Attack: hold a name that others wait for, of an abstract socket
Stopped by: bwrap
Proof: name
"""

import json
import socket
import sys
import time

ARENA = json.loads(sys.argv[1])
thief = socket.socket(socket.AF_UNIX)
thief.bind("\0" + ARENA["mark"])
print("ready", flush=True)
time.sleep(300)

"""Attack: take the port that another grader has chosen
Stopped by: bwrap
Proof: port
"""

import json
import socket
import sys
import time

ARENA = json.loads(sys.argv[1])
thief = socket.create_server(("127.0.0.1", ARENA["free"]))
print("ready", flush=True)
time.sleep(300)

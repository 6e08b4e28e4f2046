"""Attack: ask the server of another submission, or flood it
Stopped by: bwrap
Proof: word
"""

import json
import socket
import sys

ARENA = json.loads(sys.argv[1])
crowd = [socket.create_connection(("127.0.0.1", ARENA["port"]), timeout=5) for _ in range(20)]
print("done", flush=True)

"""Attack: connect to somebody outside: send the tests home, or load a solution
Stopped by: bwrap
Proof: word
"""

import json
import socket
import sys

ARENA = json.loads(sys.argv[1])
with socket.create_connection(("127.0.0.1", ARENA["port"]), timeout=5) as home:
    home.sendall(ARENA["mark"].encode())
print("done", flush=True)

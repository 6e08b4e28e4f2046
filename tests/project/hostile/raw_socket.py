"""Attack: make packets of its own, by a raw socket
Stopped by: user, bwrap
Proof: word
Needs: root
"""

import json
import socket
import sys

ARENA = json.loads(sys.argv[1])
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
    print("done")

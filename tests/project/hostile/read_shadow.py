"""Attack: read a file of the machine's administrator, /etc/shadow
Stopped by: user, bwrap
Proof: word
Needs: root
"""

import json
import sys

ARENA = json.loads(sys.argv[1])
with open("/etc/shadow", "rb") as file:
    if file.read(1):
        print("done")

"""Attack: leave files in /dev/shm
Stopped by: user, bwrap
Proof: trace
"""

import json
import sys

ARENA = json.loads(sys.argv[1])
with open(f"/dev/shm/left-{ARENA['mark']}", "w") as file:
    file.write(ARENA["mark"])

"""Attack: leave files in /tmp, in a folder that is locked
Stopped by: user, bwrap
Proof: trace
"""

import json
import os
import sys

ARENA = json.loads(sys.argv[1])
os.mkdir(f"/tmp/left-{ARENA['mark']}")
with open(f"/tmp/left-{ARENA['mark']}/file", "w") as file:
    file.write(ARENA["mark"])
os.chmod(f"/tmp/left-{ARENA['mark']}", 0)

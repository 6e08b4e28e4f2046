"""Attack: lock the grader out of its own folder
Stopped by: user, bwrap
Proof: word
"""

import json
import os
import sys

ARENA = json.loads(sys.argv[1])
mode = os.stat(ARENA["folder"]).st_mode
os.chmod(ARENA["folder"], 0)
os.chmod(ARENA["folder"], mode)
print("done")

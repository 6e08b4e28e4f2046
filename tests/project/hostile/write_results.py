"""Attack: write its own result over that of the grader
Stopped by: user, bwrap
Proof: trace
"""

import json
import sys

ARENA = json.loads(sys.argv[1])
with open(ARENA["result"], "w") as file:
    file.write(ARENA["mark"])

"""Attack: plant a conftest.py beside the tests, for the grader to run
Stopped by: user, bwrap
Proof: trace
"""

import json
import os
import sys

ARENA = json.loads(sys.argv[1])
with open(os.path.join(os.path.dirname(ARENA["open"]), "conftest.py"), "w") as file:
    file.write("raise SystemExit(0)")
with open(ARENA["result"], "w") as file:
    file.write(ARENA["mark"])

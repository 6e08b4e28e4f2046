"""Attack: be first: put a folder of its own where the result will be written
Stopped by: user, bwrap
Proof: trace
"""

import json
import os
import sys

ARENA = json.loads(sys.argv[1])
os.rename(ARENA["folder"], ARENA["folder"] + "-away")
os.mkdir(ARENA["folder"])
with open(ARENA["result"], "w") as file:
    file.write(ARENA["mark"])

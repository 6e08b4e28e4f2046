"""Attack: read the results of those who were graded before
Stopped by: user, bwrap
Proof: secret
"""

import json
import sys

ARENA = json.loads(sys.argv[1])
with open(ARENA["results"]) as file:
    print(file.read())

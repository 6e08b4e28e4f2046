"""Attack: read another student's submission, likewise
Stopped by: user, bwrap
Proof: secret
"""

import json
import sys

ARENA = json.loads(sys.argv[1])
with open(ARENA["other"]) as file:
    print(file.read())

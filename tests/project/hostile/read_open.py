"""Attack: read what everybody on the machine may read: the tests, say
Stopped by: bwrap
Proof: secret
"""

import json
import sys

ARENA = json.loads(sys.argv[1])
with open(ARENA["open"]) as file:
    print(file.read())

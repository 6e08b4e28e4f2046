"""Attack: read the solutions, where only the grader's user may read them
Stopped by: user, bwrap
Proof: secret
"""

import json
import sys

ARENA = json.loads(sys.argv[1])
with open(ARENA["solutions"]) as file:
    print(file.read())

"""Attack: change the library of the Python that runs the grader too
Stopped by: user, bwrap
Proof: word
"""

import json
import os
import sys

ARENA = json.loads(sys.argv[1])
with open(os.__file__, "ab", buffering=0):  # and nothing is written
    print("done")

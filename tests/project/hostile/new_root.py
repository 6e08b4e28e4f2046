"""Attack: become root in a user namespace, with all of the kernel that this opens
Stopped by: bwrap
Proof: word
"""

import ctypes
import json
import sys

ARENA = json.loads(sys.argv[1])
CLONE_NEWUSER = 0x10000000
if ctypes.CDLL(None).unshare(CLONE_NEWUSER) == 0:
    print("done")

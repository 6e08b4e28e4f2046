"""Attack: mount something over the grader's folder
Stopped by: user, bwrap
Proof: word
Needs: root
"""

import ctypes
import json
import sys

ARENA = json.loads(sys.argv[1])
LIBC = ctypes.CDLL(None)
if LIBC.mount(b"none", ARENA["folder"].encode(), b"tmpfs", 0, None) == 0:
    LIBC.umount2(ARENA["folder"].encode(), 2)
    print("done")

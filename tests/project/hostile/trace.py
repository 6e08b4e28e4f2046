"""Attack: trace the grader, ptrace(2), and so have it in its hands
Stopped by: user, bwrap
Proof: word
"""

import ctypes

from prey import decoy

SEIZE, DETACH = 0x4206, 17
if ctypes.CDLL(None).ptrace(ctypes.c_long(SEIZE), ctypes.c_long(decoy()), None, None) == 0:
    print("done")

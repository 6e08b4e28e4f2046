"""Attack: leave shared memory of System V, which belongs to no process
Stopped by: user, bwrap
Proof: ipc
"""

import ctypes
import json
import sys

ARENA = json.loads(sys.argv[1])
IPC_CREAT = 0o1000
number = ctypes.CDLL(None).shmget(ARENA["key"], 1 << 20, IPC_CREAT | 0o600)
print(number)

"""Attack: take the processor for itself, by a real-time priority
Stopped by: user, bwrap
Proof: word
Needs: root
"""

import json
import os
import sys

ARENA = json.loads(sys.argv[1])
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
print("done")

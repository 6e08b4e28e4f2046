"""Attack: send a signal to the grader's whole process group
Stopped by: user, bwrap
Proof: decoy
"""

import os
import signal

from prey import decoy

os.killpg(os.getpgid(decoy()), signal.SIGTERM)

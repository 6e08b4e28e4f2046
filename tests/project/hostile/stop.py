"""Attack: stop the grader, so that it never ends
Stopped by: user, bwrap
Proof: decoy
"""

import os
import signal

from prey import decoy

os.kill(decoy(), signal.SIGSTOP)

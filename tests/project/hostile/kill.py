"""Attack: kill the grader
Stopped by: user, bwrap
Proof: decoy
"""

import os
import signal

from prey import decoy

os.kill(decoy(), signal.SIGKILL)

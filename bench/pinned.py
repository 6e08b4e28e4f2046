"""`python pinned.py PROCESSOR PROGRAM ...`: become that program, on that processor and no other.

The program sees none of what the grader puts into a server's environment, and every signal at its default.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)

if __name__ == "__main__":
    for name in [name for name in os.environ if name.startswith("PYTHON") or name == "EIGHT_SERVERS_LINES"]:
        del os.environ[name]
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.sched_setaffinity(0, {int(sys.argv[1])})
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # should the bench be killed, and not ended
    os.execvp(sys.argv[2], sys.argv[2:])

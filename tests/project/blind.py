"""Run the grader where /proc shows less: `python blind.py syscall,mem -- 05 --submission solutions`.

What is named is not there, in whatever process it is; `pidfd_getfd` is refused.
"""

import errno
import sys

from grader import kernel
from grader.__main__ import main

names, _, *arguments = sys.argv[1:]
HIDDEN = set(names.split(","))
data, memory = kernel.Proc.data, kernel.Proc.memory


def blind_data(self, *path):
    return b"" if HIDDEN & {*map(str, path)} else data(self, *path)


def blind_memory(self, *where):
    if "mem" in HIDDEN:
        raise PermissionError(errno.EACCES, "mem")
    return memory(self, *where)


def refused(pid, descriptor):
    raise PermissionError(errno.EPERM, "pidfd_getfd")


kernel.Proc.data = blind_data
kernel.Proc.memory = blind_memory
if "pidfd_getfd" in HIDDEN:
    kernel.Proc.copy = staticmethod(refused)
sys.argv[1:] = arguments
sys.exit(main())

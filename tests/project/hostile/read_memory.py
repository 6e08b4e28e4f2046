"""Attack: read the grader's memory
Stopped by: user, bwrap
Proof: secret
"""

import json
import os
import sys

ARENA = json.loads(sys.argv[1])


def decoy():
    """The process that stands for the grader, as one finds it: by its command line."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if file.read().startswith(ARENA["decoy"].encode()):
                    return int(pid)
        except OSError:
            continue
    sys.exit("nobody there")


found = decoy()
with open(f"/proc/{found}/maps") as file:
    stack = next(line.split()[0] for line in file if "[stack]" in line)
begin, end = (int(number, 16) for number in stack.split("-"))
with open(f"/proc/{found}/mem", "rb", buffering=0) as memory:
    memory.seek(begin)
    print(memory.read(end - begin).replace(b"\0", b" "))

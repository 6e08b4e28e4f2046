"""What an attack that is after the grader has beside it: where that is."""

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

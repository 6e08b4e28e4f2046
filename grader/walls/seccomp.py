"""System calls that no server of the kata needs, closed by a filter of seccomp(2).

They make what no limit of ours counts (memory of System V, keys), or namespaces in which limits would not hold. They
fail as in a kernel that does not have them.
"""

import errno
import platform
import struct

#: Architecture (AUDIT_ARCH_*, linux/audit.h), and the numbers of clone(2) and of the calls that are closed.
CALLS = {
    "x86_64": (0xC000003E, 56, {
        "shmget": 29, "semget": 64, "msgget": 68, "mount": 165, "add_key": 248, "request_key": 249, "keyctl": 250,
        "unshare": 272, "perf_event_open": 298, "setns": 308, "bpf": 321, "userfaultfd": 323,
        "io_uring_setup": 425, "clone3": 435, "memfd_secret": 447,
    }),
    "aarch64": (0xC00000B7, 220, {
        "shmget": 194, "semget": 190, "msgget": 186, "mount": 40, "add_key": 217, "request_key": 218, "keyctl": 219,
        "unshare": 97, "perf_event_open": 241, "setns": 268, "bpf": 280, "userfaultfd": 282,
        "io_uring_setup": 425, "clone3": 435, "memfd_secret": 447,
    }),
}  # fmt: skip
CLONE_NEW = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: linux/sched.h
OTHER_ABI = 0x40000000  # x32, on x86-64
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # struct seccomp_data; the lower half, little-endian


def program() -> bytes:
    """The filter as struct sock_filter[]; empty on a machine whose numbers are not known."""
    if platform.machine() not in CALLS:
        return b""
    audit, clone, calls = CALLS[platform.machine()]
    closed = sorted(calls.values())
    code = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, audit), (RETURN, 0, 0, REFUSE), (LOAD, 0, 0, NUMBER)]
    code += [(AT_LEAST, 0, 1, OTHER_ABI), (RETURN, 0, 0, REFUSE)]
    for number in closed:
        code += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    code += [(EQUAL, 0, 3, clone), (LOAD, 0, 0, FIRST_ARGUMENT), (ANY_BIT, 0, 1, CLONE_NEW), (RETURN, 0, 0, REFUSE)]
    code += [(RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in code)

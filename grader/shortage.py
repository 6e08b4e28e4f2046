"""What the machine lacks, as an error of ours says it: never the server's fault, and told with what to change."""

import errno

NETWORK = "the loopback network does not carry: `ip link set lo up`, and no firewall in the way"
ROOM = "there is no room in the temporary folder; set TMPDIR to another"
#: Error numbers, errno(3), that a call of the grader's gets for a limit or an oddity of the machine.
WORDS = {
    errno.EMFILE: "the grader may open no more files: `ulimit -n`",
    errno.ENFILE: "the machine may open no more files: fs.file-max",
    errno.ENOMEM: "there is no more memory for the grader: `ulimit -v`, or the memory of the container",
    errno.ENOBUFS: "the kernel has no more room for sockets: net.core.*mem*, or the memory of the container",
    errno.EAGAIN: "no more processes or threads for the grader: `ulimit -u`, or pids.max of the container",
    errno.EADDRNOTAVAIL: "no local port is left for a client: net.ipv4.ip_local_port_range",
    errno.ENETDOWN: NETWORK,
    errno.ENETUNREACH: NETWORK,
    errno.EHOSTUNREACH: NETWORK,
    errno.EPERM: "a firewall or a sandbox refuses the grader's connections",
    errno.EACCES: "a firewall or a sandbox refuses the grader's connections",
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: f"{ROOM}, or `ulimit -f unlimited`",
    errno.EROFS: ROOM,
}
#: What Python prints of such an error.
PRINTED = (
    *(f"[Errno {number}]" for number in sorted({*WORDS} - {errno.EPERM, errno.EACCES})),
    *("start new thread", "MemoryError"),
)
OF_A_CONNECTION = frozenset(WORDS) - {errno.EAGAIN}


class Shortage(Exception):
    """The machine has stood in the way, and not the server; the text says what, and what to change."""


def of_a_connection(number: int) -> None:
    """Raises Shortage if a call on a client's socket has failed by what is no act of the server's."""
    if number in OF_A_CONNECTION:
        raise Shortage(WORDS[number])


def in_words(error: BaseException) -> str:
    """What the machine lacks, if that is what this error says; else ""."""
    if isinstance(error, Shortage):
        return str(error)
    if isinstance(error, MemoryError):
        return WORDS[errno.ENOMEM]
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return WORDS[errno.EAGAIN]
    return WORDS.get(error.errno or 0, "") if isinstance(error, OSError) else ""

"""What clients do, in the words of bash: curl, printf(1) into /dev/tcp, and Python for what bash has no word for."""

import re
import shlex
from dataclasses import dataclass

from grader.client import Client

PLACE = "127.0.0.1", 7890  # of every server.py that is not told another
CONNECT = "exec 3<>/dev/tcp/{}/{}".format(*PLACE)
MUCH = 3000  # bytes: so long an answer is counted, and not shown


@dataclass(frozen=True)
class Deed:
    """What one client does: it sends pieces, each when the one before has been read, and perhaps takes no answer.

    leaves: "", "closed" or "reset", after all that.
    """

    pieces: tuple[bytes, ...]
    reading: bool = True
    half_closed: bool = False
    leaves: str = ""

    @classmethod
    def of(cls, client: Client) -> "Deed | None":
        """None if it is more than a line can say."""
        if client.pieces is None or client.urgent:
            return None
        words = [event.what for event in client.diary]
        leaves = next((word for word in ("reset", "closed") if word in words), "")
        return cls(tuple(client.pieces), "stops reading" not in words, client.half_closed, leaves)

    @property
    def at_once(self) -> bool:
        """Whether all of it is done without a pause: as Python does what bash has no word for."""
        return self.half_closed or self.leaves == "reset"

    @property
    def sent(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def target(self) -> str:
        """Of a usual GET in one piece that curl sends too, if it is told to leave the path as it is; else ""."""
        usual = re.fullmatch(rb"GET (/[!-~]*) HTTP/1\.1\r\nHost: [\w.:]+\r\n\r\n", self.sent)
        plain = usual and len(self.pieces) == 1 and self.reading and not self.half_closed
        return usual[1].decode() if usual and plain and not set(usual[1]) & set(b'#\\"<>^`{|}') else ""


def curl(target: str, *options: str) -> str:
    words = ["curl", *(options or ("-sSi",)), "-g", "--path-as-is", "--max-time", "5"]
    return shlex.join([*words, "http://{}:{}{}".format(*PLACE, target)])


def asked(deed: Deed, received: int) -> str:
    if deed.at_once:
        return in_python(deed)
    send = "; sleep 1; ".join(f"{printed(piece)} >&3" for piece in deed.pieces)
    if deed.leaves:
        return f"({CONNECT}; {send or ':'}; sleep 1)"
    if not deed.reading:
        return f"({CONNECT}; {send}; sleep 3; timeout 9 cat <&3 | wc -c)" if send else ""
    much = received > MUCH
    shown = "cat <&3 | wc -c" if much else "cat -v <&3"
    status = "${PIPESTATUS[0]}" if much else "$?"
    end = f'echo "[{status}: 0 ended, 1 reset, 124 still open]"'
    return f"({CONNECT}; {send}; timeout 5 {shown}; {end})" if send else ""


def opened(deed: Deed, count: int) -> str:
    """Connections that stay as they are until the shell ends, or are left at once."""
    if deed.leaves:
        one = asked(deed, 0)
        return one if count == 1 else f"for i in {{1..{count}}}; do {one}; done"
    if deed.half_closed or len(deed.pieces) > 1:
        return ""
    send = f"; {printed(deed.sent)} >&$c" if deed.sent else ""
    one = "exec {{c}}<>/dev/tcp/{}/{}".format(*PLACE) + send
    return one if count == 1 else f"for i in {{1..{count}}}; do {one}; done"


def in_python(deed: Deed) -> str:
    """What bash has no word for: shutdown(2), and a reset."""
    does = ["import socket", f"s = socket.create_connection({PLACE})"]
    does += [f"s.sendall({piece!r})" for piece in deed.pieces]
    if deed.half_closed:
        does.append("s.shutdown(socket.SHUT_WR)")
    if deed.leaves == "reset":
        does += [r"s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')", "s.close()"]
    else:
        does += ["s.settimeout(5)", "print(*iter(lambda: s.recv(65536), b''))"]
    return f"python3 -c {word('; '.join(does))}"


def word(text: str) -> str:
    """One word of bash: in double quotes, where what Python has in single ones can be read."""
    if "!" in text:  # which has a meaning there, where somebody types it
        return shlex.quote(text)
    return '"{}"'.format(re.sub(r'\\(?=[\\"$`])|["$`]', r"\\\g<0>", text))


def printed(data: bytes) -> str:
    """printf(1) of these bytes; what is the same again and again is written once."""
    parts, at = [], 0
    for run in re.finditer(rb"(.{1,8}?)\1{24,}", data, re.S):
        times = len(run[0]) // len(run[1])
        parts += [f"printf {quoted(data[at : run.start()])}"] if run.start() > at else []
        parts.append(f"printf {quoted(run[1])[:-1]}%.0s' {{1..{times}}}")
        at = run.end()
    if at < len(data) or not parts:
        parts.append(f"printf {quoted(data[at:])}")
    return parts[0] if len(parts) == 1 else f"{{ {'; '.join(parts)}; }}"


def quoted(data: bytes) -> str:
    """A format for printf(1) in single quotes."""
    known = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x5C: "\\\\", 0x27: "'\\''", 0x25: "%%"}
    text = "".join(known.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in data)
    return f"{'-- ' if text.startswith('-') else ''}'{text}'"


def named(path: str) -> str:
    """A path as a word of bash; what is no ASCII byte by byte."""
    if path.isascii() and path.isprintable():
        return shlex.quote(path)
    return "$'{}'".format("".join(c if (c.isalnum() and c.isascii()) or c in "/._-" else hexed(c) for c in path))


def hexed(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode())

"""What a target may be answered: the contract's section 2 as code, worked out from the file system as it is.

No short cut that a server may take is taken here: a path is followed name by name and link by link, as
path_resolution(7) says. Where the contract leaves a choice (a path that wanders, a link that leaves and comes
back, characters that RFC 3986 does not allow), every reading that a right server may have is followed.
"""

import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

LARGE = 1 << 20  # bytes: beyond it a file is a large one
MOST_LINKS = 40  # path_resolution(7); a server that follows them by itself may go further
ENDLESS = 400  # links
INDEX = b"index.html"
#: What a target may be made of, RFC 3986, sections 2.2, 2.3, 3.3 and 3.4.
LAWFUL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%")
USUAL = re.compile(rb"(?:/\w+(?:[.-]\w+)*)*/?", re.ASCII)
NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)


@dataclass(frozen=True)
class Wanted:
    """What a target may be answered.

    statuses: those allowed; none: any at all, but nothing from outside. bodies: what a 200 may hold, one of
    them whole; several if the path can be read in more ways than one (kind "wander"), or if the file has just
    changed (kind "fresh"): who sent it meanwhile may have sent a part of each. A 200 with other bytes is
    wrong, unless there are no statuses. kind: "plain", "large", "empty", "name" (an
    odd one, or escapes), "query", "folder" (ends in a slash), "no slash", "missing", "outside" (climbs, or has
    a NUL), "link" (one that leaves), "inside link", "wander", "odd", "undecodable", "fresh" (a file that was
    changed during the run). why: a clause for a message.
    """

    statuses: tuple[int, ...]
    bodies: tuple[bytes, ...]
    kind: str
    why: str


@dataclass(frozen=True)
class Way:
    """Where a path leads. place: the real path, or what is known of it where it ends nowhere.

    left: it was outside of the root in between; only a link or a `..` gets there.
    """

    place: bytes
    links: int
    left: bool
    status: os.stat_result | None


@dataclass
class Found:
    """What one reading of a path comes to."""

    way: Way
    statuses: set[int]
    bodies: list[bytes]
    kind: str


#: Place and time -> what the file there has held since; None: there was none. And whether that has changed.
Held = Callable[[bytes, float], tuple[list[bytes | None], bool]]


def within(root: bytes, place: bytes) -> bool:
    return place == root or place.startswith(root.rstrip(b"/") + b"/")


def walk(root: bytes, path: bytes) -> Way:
    """Follow a path from the root, as the kernel does. The root is a real path, without a slash at its end."""
    place, links, left, todo = root, 0, False, path.split(b"/")[::-1]
    status = os.lstat(root)
    while todo:
        name = todo.pop()
        if not stat.S_ISDIR(status.st_mode):  # whatever follows, be it only a slash: ENOTDIR
            return Way(posixpath.join(place, name, *todo[::-1]), links, left, None)
        if name == b"..":
            place = posixpath.dirname(place)
        elif name not in (b"", b"."):
            place = posixpath.join(place, name)
        try:
            status = os.lstat(place)
            if stat.S_ISLNK(status.st_mode):
                links += 1
                target = os.readlink(place)
                place = posixpath.dirname(place)
                if target.startswith(b"/"):
                    place = root if within(root, target) else b"/"
                    target = target[len(place) :]
                todo += target.split(b"/")[::-1]
                status = os.lstat(place)
        except (OSError, ValueError):  # not there, too long, locked; no name holds a NUL
            return Way(posixpath.join(place, *todo[::-1]), links, left, None)
        left = left or not within(root, place)
        if links > ENDLESS:
            return Way(place, links, left, None)
    return Way(place, links, left, status)


def follow(root: bytes, path: bytes, held: Held, since: float) -> Found:
    """What a path may be answered by this one reading of it."""
    way = walk(root, path + INDEX * path.endswith(b"/"))
    folder = way.status is not None and stat.S_ISDIR(way.status.st_mode)
    statuses = {404, 301} if folder else {404}  # an index.html may be a folder too, and is asked for without its slash
    if not within(root, way.place):
        return Found(way, statuses, [], "link" if way.links else "outside")
    if folder:
        return Found(way, statuses, [], "missing" if path.endswith(b"/") else "no slash")
    if way.status and not stat.S_ISREG(way.status.st_mode):
        return Found(way, statuses, [], "missing")
    contents, changed = held(way.place, since)
    bodies = [data for data in contents if data is not None]
    if not bodies:
        return Found(way, statuses, [], "fresh" if changed else "missing")
    if not (None in contents or way.left or way.links > MOST_LINKS or locked(way.status)):
        statuses.remove(404)
    kind = "large" if len(bodies[-1]) > LARGE else "plain" if bodies[-1] else "empty"
    kind = "folder" if path.endswith(b"/") else kind
    kind = "fresh" if changed else "inside link" if way.links else kind
    return Found(way, statuses | {200}, bodies, kind)


def locked(status: os.stat_result | None) -> bool:
    """Whether only who may read everything reads this file: who asks for its mode does not."""
    return status is not None and not status.st_mode & 0o444


def wanders(path: bytes) -> bool:
    return any(name in (b"", b".", b"..") for name in [*path.split(b"/")[1:-1], path.rpartition(b"/")[2] or INDEX])


def remove_dot_segments(path: bytes) -> bytes:
    """RFC 3986, section 5.2.4: empty names count, and `..` at the top goes nowhere."""
    names: list[bytes] = []
    for name in path.split(b"/")[1:]:
        if name == b"..":
            del names[-1:]
        elif name != b".":
            names.append(name)
    return b"/" + b"/".join(names) + b"/" * (path.endswith((b"/.", b"/..")) and names != [])


def readings(root: bytes, path: bytes) -> Iterator[bytes]:
    """The paths that one which wanders may be taken for: as the kernel has it, and put straight before."""
    slash = b"/" if path.endswith(b"/") else b""
    plain = b"/" + posixpath.normpath(path).lstrip(b"/")
    below = posixpath.normpath(root + b"/" + path)
    found = [path, remove_dot_segments(path), plain.rstrip(b"/") + slash if plain != b"/" else plain]
    if within(root, below):
        found.append((below[len(root) :] or b"/").rstrip(b"/") + slash)
    if path.endswith((b"/.", b"/..")):
        found += [reading.rstrip(b"/") + b"/" for reading in found]
    return iter(dict.fromkeys(reading or b"/" for reading in found))


def careless(path: bytes) -> Iterator[bytes]:
    """What a server without care takes a path for: decoded twice, with `../` cut out, of another system."""
    yield unquote_to_bytes(path)
    yield path.replace(b"\\", b"/")
    yield path.replace(b"../", b"")
    yield path.replace(b"/..", b"")


def climbs(root: bytes, path: bytes) -> bool:
    """Whether a path that leads nowhere was meant to lead out, by a reading that is none of ours."""
    for reading in careless(path):
        way = walk(root, reading)
        if way.status and not within(root, way.place):
            return True
    absolute = b"/" + path.lstrip(b"/")  # what join() makes of it, with the first slash or without
    return os.path.isfile(absolute) and not within(root, os.path.realpath(absolute))


def wander(root: bytes, path: bytes, held: Held, since: float) -> Found:
    """What a path may be answered that has empty names, `.` or `..` in it."""
    paths = list(readings(root, path))
    found = [follow(root, reading, held, since) for reading in paths]
    inside = [one for one in found if one.bodies or one.kind == "no slash"]
    statuses = {404}.union(*(one.statuses for one in inside))
    bodies = [data for one in inside for data in one.bodies]
    index = any(reading.endswith(b"/") and one.bodies for reading, one in zip(paths, found, strict=True))
    if index and not path.endswith(b"/"):  # `/..` is a folder asked for without its slash
        statuses.add(301)
    below = posixpath.normpath(root + b"/" + path)
    kind = "wander"
    if not inside and (found[0].kind in ("link", "outside") or not within(root, below)):
        kind = "link" if found[0].kind == "link" else "outside"
    return Found(found[0].way, statuses, bodies, kind)


def shown(target: bytes) -> str:
    text = target[:60].decode("latin-1").encode("unicode_escape").decode()
    return text if len(target) <= 60 else f"{text} [... {len(target) - 60} bytes more]"


WHY = {
    "plain": "is a regular file",
    "large": "is a file of more than 1 MiB",
    "empty": "is an empty file",
    "name": "names a file",
    "query": "is a path and a query",
    "folder": "stands for the index.html in that folder",
    "no slash": "is a folder, asked for without its slash",
    "missing": "is no readable regular file",
    "outside": "leaves the root",
    "link": "is a link that leaves the root",
    "inside link": "is a link that stays inside the root",
    "wander": "wanders, and ends inside the root",
    "odd": "is no path from the root on",
}


def judge(root: bytes, target: bytes, held: Held, since: float) -> Wanted:
    """What a target may be answered. The root is a real path."""
    raw, mark, _ = target.partition(b"?")
    path = unquote_to_bytes(raw)
    if is_odd(target):
        return Wanted((), (), "odd", f"{shown(target)} {WHY['odd']}")
    unlawful = {400} if not LAWFUL.issuperset(target) else set()
    why = undecodable(raw)
    if b"\0" in path:
        statuses = {404} | unlawful | ({400} if why else set())
        return Wanted(ordered(statuses), (), "outside", f"{shown(target)} has a NUL byte, as no file name has")
    found = wander(root, path, held, since) if wanders(path) else follow(root, path, held, since)
    if b"%2f" in raw.lower():  # who takes it for a slash decodes; who does not has RFC 3986, section 2.2, for it
        others = [
            found,
            *([follow(root, path[:-1], held, since)] if path.endswith(b"/") and path[:-1] else []),
        ]
        statuses = {404}.union(*(one.statuses for one in others))
        contents = [data for one in others for data in one.bodies]
        found = Found(found.way, statuses, contents, "wander" if contents else found.kind)
    kind = found.kind
    if kind in ("missing", "wander") and found.statuses == {404} and climbs(root, path):
        kind = "outside"
    if kind in ("plain", "large", "empty", "folder"):
        named = "plain" if USUAL.fullmatch(raw) else "name"
        kind = "query" if mark else kind if kind == "folder" or named == "plain" else named
    if why:  # some servers take an escape that is none for what it is, as unquote() does
        found.statuses = (found.statuses & {200}) | {404, 400}
        kind = "undecodable" if kind != "outside" else kind
    bodies = tuple(dict.fromkeys(found.bodies)) if len(found.bodies) > 1 else tuple(found.bodies)
    return Wanted(ordered(found.statuses | unlawful), bodies, kind, why or because(target, kind, bodies))


def ordered(statuses: set[int]) -> tuple[int, ...]:
    """The one that a person would name first is first."""
    return tuple(sorted(statuses, key=(200, 404, 301, 400).index))


def because(target: bytes, kind: str, bodies: tuple[bytes, ...]) -> str:
    if kind == "fresh":
        return f"{shown(target)} was {'changed' if bodies else 'removed'} during the run"
    return f"{shown(target)} {WHY[kind]}"


def is_odd(target: bytes) -> bool:
    """Whether a target is no path, or holds what some take for its end or for the name of a host."""
    if not target.startswith(b"/") or b"#" in target:
        return True
    if target.startswith(b"//") and (b"[" in target or b"]" in target):
        return True
    return any(byte <= 0x20 or byte >= 0x7F for byte in target)


def undecodable(raw: bytes) -> str:
    """Why a path cannot be decoded; "" if it can."""
    bad = NO_ESCAPE.search(raw)
    if bad:
        return f"{shown(raw)} holds {shown(bad[0])}, which is no percent-encoding"
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return f"{shown(raw)} is no UTF-8 once it is decoded"
    return ""

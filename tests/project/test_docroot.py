"""The site and what its targets may be answered: names, links, sizes, changes; no server is started."""

import importlib.util
import itertools
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.docroot import EXTENSIONS, INSIDE_LINKS, NO_TEXT, OUTSIDE_LINKS, SIZES, DocumentRoot, beyond_buffers
from grader.wanted import walk, within

REPOSITORY = Path(__file__).resolve().parents[2]
MAY_400 = (404, 400)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One for all that do not change it, in a folder whose name is no word, reached through a link."""
    real = tmp_path_factory.mktemp("a folder, año %41 #1")
    (real.parent / "by-link").symlink_to(real)
    root = DocumentRoot(real.parent / "by-link")
    root.add_outside()
    for name, target in {
        "100%.txt": "/100%25.txt",
        "中文.html": "/%E4%B8%AD%E6%96%87.html",
        "what?.txt": "/what%3F.txt",
        "a#b.txt": "/a%23b.txt",
        "a;b=c&d.txt": "/a;b=c&d.txt",
        " .txt": "/%20.txt",
        "back\\slash.txt": "/back%5Cslash.txt",
        "a..b.txt": "/a..b.txt",
        ".hidden.txt": "/.hidden.txt",
        "new\r\nline: 1": "/new%0D%0Aline:%201",
    }.items():
        root.add_named(name, target)
    root.sized(1 << 20)
    root.sized((1 << 20) + 1)
    return root


@pytest.fixture
def changing(tmp_path):
    root = DocumentRoot(tmp_path)
    root.add_outside()
    return root


#: Target -> kind, statuses, and the target in `files` whose bytes are wanted.
TARGETS = {
    "/page1.txt": ("plain", (200,), "/page1.txt"),
    "/plain": ("plain", (200,), "/plain"),
    "/empty.txt": ("empty", (200,), "/empty.txt"),
    "/large.bin": ("large", (200,), "/large.bin"),
    "/sized/1048576.bin": ("plain", (200,), "/sized/1048576.bin"),
    "/sized/1048577.bin": ("large", (200,), "/sized/1048577.bin"),
    # folders
    "/": ("folder", (200,), "/index.html"),
    "/sub/": ("folder", (200,), "/sub/index.html"),
    "/sub": ("no slash", (404, 301), ""),
    "/sub?x": ("no slash", (404, 301), ""),
    "/bare/": ("missing", (404,), ""),
    "/bare": ("no slash", (404, 301), ""),
    "/nope/": ("missing", (404,), ""),
    "/page1.txt/": ("missing", (404,), ""),
    "/page1.txt/index.html": ("missing", (404,), ""),
    # queries
    "/page1.txt?": ("query", (200,), "/page1.txt"),
    "/page1.txt?a=b?c=/../../secret.txt": ("query", (200,), "/page1.txt"),
    "/page1.txt?%zz%ff": ("query", (200,), "/page1.txt"),
    "/?q=/page1.txt": ("query", (200,), "/"),
    "/sub/?x=%3F": ("query", (200,), "/sub/"),
    "/what%3F.txt?what?": ("query", (200,), "/what%3F.txt"),
    "/nope?/page1.txt": ("missing", (404,), ""),
    '/page1.txt?"<>"': ("query", (200, 400), "/page1.txt"),
    # names
    "/what%3F.txt": ("name", (200,), "/what%3F.txt"),
    "/what%3f.txt": ("name", (200,), "/what%3F.txt"),
    "/what?.txt": ("missing", (404,), ""),
    "/%70age1.txt": ("name", (200,), "/page1.txt"),
    "/100%25.txt": ("name", (200,), "/100%25.txt"),
    "/%E4%b8%aD%E6%96%87.html": ("name", (200,), "/%E4%B8%AD%E6%96%87.html"),
    "/a%23b.txt": ("name", (200,), "/a%23b.txt"),
    "/a;b=c&d.txt": ("name", (200,), "/a;b=c&d.txt"),
    "/%20.txt": ("name", (200,), "/%20.txt"),
    "/+.txt": ("missing", (404,), ""),
    "/a..b.txt": ("name", (200,), "/a..b.txt"),
    "/.hidden.txt": ("name", (200,), "/.hidden.txt"),
    "/back%5Cslash.txt": ("name", (200,), "/back%5Cslash.txt"),
    "/back\\slash.txt": ("name", (200, 400), "/back%5Cslash.txt"),
    "/back/slash.txt": ("missing", (404,), ""),
    "/new%0d%0aline:%201": ("name", (200,), "/new%0D%0Aline:%201"),
    "/Page1.txt": ("missing", (404,), ""),
    "/PAGE1.TXT": ("missing", (404,), ""),
    f"/{'n' * 255}": ("missing", (404,), ""),
    f"/{'n' * 256}": ("missing", (404,), ""),
    f"/{'n/' * 3000}": ("missing", (404,), ""),
    "/fifo": ("missing", (404,), ""),
    "/fifo/": ("missing", (404,), ""),
    "/ring": ("missing", (404,), ""),
    "/ring/": ("missing", (404,), ""),
    "/ring/x": ("missing", (404,), ""),
    # what cannot be decoded
    "/%ff%fe.txt": ("undecodable", MAY_400, ""),
    "/%ed%a0%80": ("undecodable", MAY_400, ""),
    "/nope%zz.txt": ("undecodable", MAY_400, ""),
    "/page1.txt%": ("undecodable", MAY_400, ""),
    "/nope%4": ("undecodable", MAY_400, ""),
    "/100%.txt": ("undecodable", (200, *MAY_400), "/100%25.txt"),  # as unquote() has it
    "/%c0%ae%c0%ae/secret.txt": ("undecodable", MAY_400, ""),
    "/%00": ("outside", (404,), ""),
    "/page1.txt%00": ("outside", (404,), ""),
    "/page1.txt%00.html": ("outside", (404,), ""),
    "/../secret.txt%00.txt": ("outside", (404,), ""),
    "/%00%zz": ("outside", MAY_400, ""),
    # paths that wander
    "//page1.txt": ("wander", (200, 404), "/page1.txt"),
    "/./page1.txt": ("wander", (200, 404), "/page1.txt"),
    "/sub/../page1.txt": ("wander", (200, 404), "/page1.txt"),
    "/sub/%2e%2e/page1.txt": ("wander", (200, 404), "/page1.txt"),
    "/nope/../page1.txt": ("wander", (200, 404), "/page1.txt"),
    "/page2.txt/../page1.txt": ("wander", (200, 404), "/page1.txt"),
    "/page1.txt/.": ("wander", (200, 404), "/page1.txt"),
    f"/{'n' * 300}/../page1.txt": ("wander", (200, 404), "/page1.txt"),
    f"/{'./' * 3000}page1.txt": ("wander", (200, 404), "/page1.txt"),
    "/../www/page1.txt": ("wander", (200, 404), "/page1.txt"),
    "/../page1.txt": ("wander", (200, 404), "/page1.txt"),  # RFC 3986, section 5.2.4
    "/sub//": ("wander", (200, 404), "/sub/"),
    "//": ("wander", (200, 404), "/"),
    "/.": ("wander", (200, 404, 301), "/"),
    "/sub/.": ("wander", (200, 404, 301), "/sub/"),
    "/sub/..": ("wander", (200, 404, 301), "/"),
    "/..": ("wander", (200, 404, 301), "/"),
    "/sub/../sub": ("wander", (404, 301), ""),
    "/sub/../nope": ("wander", (404,), ""),
    "//page1.txt/": ("wander", (404,), ""),
    "/sub%2fdeep%2Fpage.txt": ("wander", (200, 404), "/sub/deep/page.txt"),
    "/sub%2f": ("wander", (200, 404, 301), "/sub/"),
    "/page1.txt%2f": ("wander", (200, 404), "/page1.txt"),
    "/hall/../page1.txt": ("wander", (200, 404), "/page1.txt"),
    "/linked/../page1.txt": ("wander", (200, 404), "/page1.txt"),
    # paths that leave
    "/../secret.txt": ("outside", (404,), ""),
    "/../../../../../../../../../../etc/passwd": ("outside", (404,), ""),
    "/sub/../../secret.txt": ("outside", (404,), ""),
    "/nope/../../secret.txt": ("outside", (404,), ""),
    "/%2e%2E/secret.txt": ("outside", (404,), ""),
    "/..%2fsecret.txt": ("outside", (404,), ""),
    "/..//secret.txt": ("outside", (404,), ""),
    "//../secret.txt": ("outside", (404,), ""),
    "/....//secret.txt": ("outside", (404,), ""),
    "/%252e%252e/secret.txt": ("outside", (404,), ""),
    "/..\\secret.txt": ("outside", MAY_400, ""),
    "/../www-private/secret.txt": ("outside", (404,), ""),
    "/../www2/": ("outside", (404,), ""),
    "/etc/passwd": ("outside", (404,), ""),
    "//etc/passwd": ("outside", (404,), ""),
    "/%2fetc/passwd": ("outside", (404,), ""),
    # links
    "/relative.txt": ("inside link", (200,), "/linked-to.txt"),
    "/absolute.txt": ("inside link", (200,), "/linked-to.txt"),
    "/link-to-link.txt": ("inside link", (200,), "/linked-to.txt"),
    "/link-to-link.txt?x": ("inside link", (200,), "/linked-to.txt"),
    "/shortcut/": ("inside link", (200,), "/sub/index.html"),
    "/shortcut": ("no slash", (404, 301), ""),
    "/shortcut/deep/page.txt": ("inside link", (200,), "/sub/deep/page.txt"),
    "/shortcut/nope": ("missing", (404,), ""),
    "/relative.txt/": ("missing", (404,), ""),
    "/hall/": ("inside link", (200,), "/linked-to.txt"),
    "/hall/index.html": ("inside link", (200,), "/linked-to.txt"),
    "/shortcut/../page1.txt": ("wander", (200, 404), "/page1.txt"),
    "/linked": ("link", (404, 301), ""),
    "/linked/nope": ("link", (404,), ""),
    "/sub/../link.txt": ("link", (404,), ""),
    # no paths
    "page1.txt": ("odd", (), ""),
    "../secret.txt": ("odd", (), ""),
    "*": ("odd", (), ""),
    "": ("odd", (), ""),
    "?": ("odd", (), ""),
    "http://localhost/page1.txt": ("odd", (), ""),
    "//[": ("odd", (), ""),
    "/page1.txt#top": ("odd", (), ""),
    "/中文.html": ("odd", (), ""),
    "/page1.txt\x01": ("odd", (), ""),
}
TARGETS |= dict.fromkeys(OUTSIDE_LINKS, ("link", (404,), ""))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: ascii(target)[:60])
def test_targets(site, target):
    kind, statuses, like = TARGETS[target]
    wanted = site.wanted(target.encode())
    bodies = (site.files[like],) if like else ()
    assert (wanted.kind, wanted.statuses) == (kind, statuses)
    assert wanted.bodies == bodies
    assert not any(map(site.leaks, wanted.bodies))
    assert wanted.why.isprintable() and wanted.why.isascii() and len(wanted.why) < 200


def test_every_file_is_served(site):
    for target, data in site.files.items():
        wanted = site.wanted(target.encode())
        assert wanted.statuses == (200,) and wanted.bodies == (data,), target


def escaped(name, chance):
    """A target of a name: what needs an escape has one, other bytes have one now and then, in either case."""
    escapes = ("%%%02x", "%%%02X")
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@"
    return "/" + "".join(
        chr(byte) if byte in plain and chance.random() < 0.8 else chance.choice(escapes) % byte for byte in name
    )


def test_names_of_all_kinds(changing):
    """Made at random of all of Unicode, up to 255 bytes, controls and backslashes too: each is its own file."""
    chance = random.Random(20)
    signs = [chr(n) for n in range(1, 0x110000) if not 0xD800 <= n < 0xE000 and n != ord("/")]
    names = {b"e\xcc\x81", "\xe9".encode(), b"%2e%2e", b"...", b"n" * 255, b" ", b"\\", b"*", b"CON", b"~"}
    for _ in range(300):
        name = "".join(chance.choices(signs if chance.random() < 0.5 else signs[:300], k=chance.randrange(1, 90)))
        names.add(name.encode()[:255].decode(errors="ignore").encode())
    targets = {}
    for name in names - {b".", b".."}:
        targets[name] = escaped(name, chance)
        changing.add_named(name, targets[name])
    for name, target in targets.items():
        for asked in (target, escaped(name, chance), f"{target}?{target}"):
            wanted = changing.wanted(asked.encode())
            assert (wanted.statuses, wanted.bodies) == ((200,), (changing.files[target],)), asked


def test_clauses(site):
    for target, why in {
        "/link.txt": "/link.txt is a link that leaves the root",
        "/%00": "/%00 has a NUL byte, as no file name has",
        "/a%zz%4": "/a%zz%4 holds %zz, which is no percent-encoding",
        "/sub/../page1.txt": "/sub/../page1.txt wanders, and ends inside the root",
        f"/{'n' * 300}": f"/{'n' * 59} [... 241 bytes more] is no readable regular file",
    }.items():
        assert site.wanted(target.encode()).why == why


@pytest.mark.parametrize("step", ["01_blocking", "05_nonblocking", "08_epoll_keepalive"])
def test_the_solutions_agree(site, step):
    """What ours make of each target, without a socket."""
    spec = importlib.util.spec_from_file_location(f"solution_{step}", REPOSITORY / "solutions" / step / "server.py")
    server = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(server)
    root = site.place + b"/"
    for target in {*TARGETS, *site.files}:
        wanted = site.wanted(target.encode())
        path = server.resolve(root, target.encode())
        found = server.load(root, path) if path else None
        if not wanted.statuses:
            continue
        assert (200 if found else 404) in wanted.statuses, target
        if found:
            data, file, _ = found
            assert data + file.read() in wanted.bodies, target
            file.close()


def test_the_walk_is_the_kernels(site):
    """Paths made at random: where they are, and whether there is anything, as the kernel says."""
    names = [b"..", b".", b"", b"www", b"nope", b"..", b"secret.txt", b"page1.txt", b"index.html", b"www-private"]
    names += os.listdir(site.place) + os.listdir(site.place + b"/sub")
    chance = random.Random(20)
    there = 0
    for _ in range(20000):
        path = b"/".join(chance.choices(names, k=chance.randrange(1, 6)))
        way = walk(site.place, path)
        try:
            status = os.stat(site.place + b"/" + path)
        except OSError:
            assert way.status is None, path
            continue
        there += 1
        assert way.status and os.path.samestat(way.status, status), path
        assert way.place == os.path.realpath(site.place + b"/" + path), path
    assert there > 500


def test_links_that_come_back_may_be_followed_or_not(changing):
    (changing.folder / "back").symlink_to("www/page1.txt")
    (changing.folder / "alias").symlink_to("www")
    (changing.path / "round.txt").symlink_to("../back")
    (changing.path / "climbs.txt").symlink_to("../www/page1.txt")
    (changing.path / "alias.txt").symlink_to(changing.folder / "alias" / "page1.txt")
    for target in (b"/round.txt", b"/climbs.txt", b"/alias.txt"):
        wanted = changing.wanted(target)
        assert (wanted.kind, wanted.statuses) == ("inside link", (200, 404))
        assert wanted.bodies == (changing.files["/page1.txt"],)


def test_more_links_than_the_kernel_follows(changing):
    for number in range(60):
        (changing.path / f"chain{number}").symlink_to(f"chain{number + 1}" if number < 59 else "page1.txt")
    assert changing.wanted(b"/chain30").statuses == (200,)
    assert changing.wanted(b"/chain20").statuses == (200,)  # 40 links
    assert changing.wanted(b"/chain19").statuses == (200, 404)


def test_a_locked_file(changing):
    locked = changing.path / "locked.txt"
    locked.write_bytes(b"nobody may read this\n")
    locked.chmod(0)
    wanted = changing.wanted(b"/locked.txt")
    assert wanted.statuses == ((404,) if os.geteuid() else (200, 404))
    locked.chmod(0o644)
    assert changing.wanted(b"/locked.txt", time.monotonic()).statuses == (200,)


# What the files have held


def test_changes(changing):
    first = time.monotonic()
    old = changing.files["/changing.txt"]
    assert changing.wanted(b"/changing.txt", first).kind == "plain"
    changing.add("/changing.txt", b"second")
    second = time.monotonic()
    changing.add("/changing.txt", b"third", replace=True)
    third = time.monotonic()
    assert changing.wanted(b"/changing.txt", first).bodies == (old, b"second", b"third")
    assert changing.wanted(b"/changing.txt", second).bodies == (b"second", b"third")
    wanted = changing.wanted(b"/changing.txt", third)
    assert (wanted.kind, wanted.statuses, wanted.bodies) == ("fresh", (200,), (b"third",))
    assert changing.wanted(b"/changing.txt").bodies == (old, b"second", b"third")
    assert changing.files["/changing.txt"] == b"third" == (changing.path / "changing.txt").read_bytes()
    assert changing.wanted(b"/page1.txt").kind == "plain"


def test_made_and_removed(changing):
    before = time.monotonic()
    assert changing.wanted(b"/later.txt", before).kind == "missing"
    changing.add("/later.txt", b"here")
    made = time.monotonic()
    wanted = changing.wanted(b"/later.txt", made)
    assert (wanted.kind, wanted.statuses, wanted.bodies) == ("fresh", (200,), (b"here",))
    assert changing.wanted(b"/later.txt", before).statuses == (200, 404)
    changing.remove("/later.txt")
    removed = time.monotonic()
    wanted = changing.wanted(b"/later.txt", removed)
    assert (wanted.kind, wanted.statuses, wanted.bodies) == ("fresh", (404,), ())
    assert "removed" in wanted.why and "/later.txt" not in changing.files
    assert changing.wanted(b"/later.txt", made).statuses == (200, 404)
    changing.add("/later.txt", b"again")
    assert changing.wanted(b"/later.txt", time.monotonic()).bodies == (b"again",)
    assert changing.wanted(b"/later.txt", removed).statuses == (200, 404)


def test_changed_for_now(changing):
    """What a scene makes, changes and removes is as before, though it ends in the middle."""
    start = changing.files["/"]
    with pytest.raises(ZeroDivisionError), changing.for_now("/later.txt", "/page1.txt", "/index.html", "/never.txt"):
        page = changing.files["/page1.txt"]
        changing.add("/later.txt", b"here")
        changing.add("/page1.txt", b"changed")
        changing.remove("/index.html")
        1 / 0  # noqa: B018
    assert "/later.txt" not in changing.files and not (changing.path / "later.txt").exists()
    assert changing.files["/page1.txt"] == page == (changing.path / "page1.txt").read_bytes()
    assert changing.files["/"] == changing.files["/index.html"] == start == (changing.path / "index.html").read_bytes()


def test_what_is_made_when_first_needed_has_not_changed(changing):
    before = time.monotonic()
    target = changing.sized(4097).encode()
    assert changing.wanted(target, time.monotonic()).kind == "plain"
    assert changing.wanted(target).statuses == (200,)
    assert changing.wanted(target, before).statuses == (200, 404)


def test_grow_and_shrink_in_place(changing):
    path = changing.path / "page1.txt"
    old, number = changing.files["/page1.txt"], path.stat().st_ino
    with path.open("rb") as file:
        changing.grow("/page1.txt", b"more")
        assert file.read() == old + b"more"
        changing.shrink("/page1.txt", 5)
        assert path.stat().st_ino == number and path.read_bytes() == old[:5]
        changing.shrink("/page1.txt", 0)
        assert changing.wanted(b"/page1.txt", time.monotonic()).bodies == (b"",)
        changing.add("/page1.txt", b"other", replace=True)
        assert path.stat().st_ino != number and path.read_bytes() == b"other"


def test_a_change_is_a_second_later(changing):
    path = changing.path / "page1.txt"
    dates = [path.stat().st_mtime]
    for data in (b"1", b"2", b"3", b"4"):
        if data == b"3":
            changing.remove("/page1.txt")
        changing.add("/page1.txt", data, replace=data == b"4")
        dates.append(path.stat().st_mtime)
    assert all(later - sooner >= 0.999 for sooner, later in itertools.pairwise(dates)), dates
    changing.add("/page1.txt", b"5", dated=1000)
    assert path.stat().st_mtime == 1000


def test_changes_that_were_not_told(changing):
    path = changing.path / "page1.txt"
    old = changing.files["/page1.txt"]
    before = time.monotonic()
    os.utime(path, (1, 1))
    assert changing.wanted(b"/page1.txt", before).kind == "plain"
    path.write_bytes(b"by hand")
    assert changing.wanted(b"/page1.txt", before).bodies == (old, b"by hand")
    assert changing.wanted(b"/page1.txt", time.monotonic()).bodies == (b"by hand",)
    path.unlink()
    assert changing.wanted(b"/page1.txt", before).statuses == (200, 404)
    assert changing.wanted(b"/page1.txt", time.monotonic()).statuses == (404,)


def test_all_targets_of_a_file_change_with_it(changing):
    changing.add("/sub/index.html", b"new")
    changing.add("/linked-to.txt", b"new too")
    assert changing.files["/sub/"] == changing.files["/shortcut/"] == b"new"
    assert changing.files["/hall/"] == changing.files["/link-to-link.txt"] == b"new too"
    changing.add("/shortcut/deep/page.txt", b"through a link")
    assert changing.wanted(b"/sub/deep/page.txt", time.monotonic()).bodies == (b"through a link",)


def test_another_spelling_is_the_same_file(changing):
    """Named again, as itself or in other escapes, it stays as it is; nothing has changed during the run."""
    for target in ("/%6e.txt", "/%6E.txt", "/%6e.txt", "/n.txt"):
        changing.add_named("n.txt", target)
    (data,) = {changing.files[target] for target in ("/%6e.txt", "/%6E.txt", "/n.txt")}
    for target in (b"/%6e.txt", b"/n.txt", b"/%6E%2Etxt"):
        wanted = changing.wanted(target)
        assert (wanted.statuses, wanted.bodies) == ((200,), (data,)) and wanted.kind in ("plain", "name")
    changing.add("/n.txt", b"new")
    assert {changing.files[target] for target in ("/%6e.txt", "/%6E.txt", "/n.txt")} == {b"new"}


# What there is


def test_sizes(site, changing):
    for size in changing.sizes:
        target = changing.sized(size)
        assert (changing.path / target[1:]).stat().st_size == len(changing.files[target]) == size
    assert {4095, 4097, 16384, 65537, (1 << 20) - 1, (1 << 20) + 1} <= set(SIZES)
    assert len(changing.big) > beyond_buffers() and len(changing.huge) > 12 << 20
    for root in (site, changing):
        for data in (root.files["/large.bin"], root.big, root.huge):
            assert len(data) % 2 and len(data) % 4096 not in (0, 1, 4095)
    assert len(site.files["/large.bin"]) != len(changing.files["/large.bin"])


def test_links_are_nothing_like_what_they_lead_to(site):
    for target in INSIDE_LINKS:
        assert site.wanted(target.encode()).kind == "inside link"
    for name in ("relative.txt", "absolute.txt", "link-to-link.txt", "hall/index.html"):
        assert (site.path / name).lstat().st_size < 1000 < (site.path / name).stat().st_size


def test_files_that_are_no_text(site):
    assert {target.rpartition("/")[2].partition(".")[2] for target in NO_TEXT} == {e[1:] for e in EXTENSIONS}
    for target in NO_TEXT:
        data = site.files[target]
        if target.startswith("/text"):
            assert data.decode("utf-8-sig").encode() != data
            assert data.decode() and len(data.decode()) < len(data)
            with open(site.path / target[1:], encoding="utf-8") as file:
                assert file.read().encode() != data  # ends of line
        else:
            with pytest.raises(UnicodeDecodeError):
                data.decode()
        assert all(part in data for part in (b"\r\r", b"\n\n", b"\r\n", b"\0", b"\x1a", b"\xef\xbb\xbf"))


def test_leaks(site):
    outside = [path for path in site.folder.resolve().rglob("*") if path.is_file() and not path.is_symlink()]
    outside = [path for path in outside if not within(site.place, os.fsencode(path))]
    texts = [path.read_bytes() for path in outside]
    assert len(texts) == len(set(texts)) == len(site.secrets) == 5
    for text in texts:
        assert site.leaks(text) and site.leaks(b"<p>" + text[-34:]) and site.leaks(text[:-20])
    assert not site.leaks(b"") and not any(map(site.leaks, site.files.values()))


def test_names_are_utf_8_in_any_locale(tmp_path):
    folder = tmp_path / "a b"
    folder.mkdir()
    program = (
        "import os, sys; from pathlib import Path; from grader.docroot import DocumentRoot\n"
        "root = DocumentRoot(Path(sys.argv[1])); root.add_outside()\n"
        "root.add_named('sub/a\\xf1o/\\u4e2d', '/sub/a%C3%B1o/%E4%B8%AD')\n"
        "root.add_named('\\u4e2d', '/%E4%B8%AD')\n"
        "root.add('/\\xe9.txt', b'e', '/%C3%A9.txt')\n"
        "assert root.wanted(b'/sub/a%C3%B1o/%E4%B8%AD').statuses == (200,)\n"
        "assert root.wanted(b'/%E4%B8%AD').statuses == (200,)\n"
        "assert root.wanted(b'/%C3%A9.txt').bodies == (b'e',)\n"
        "assert root.wanted(b'/absolute.txt').statuses == (200,)\n"
        "assert {'\\u4e2d'.encode(), b'\\xc3\\xa9.txt'} <= set(os.listdir(root.place))\n"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", program, folder], cwd=REPOSITORY, env=environment, check=True)

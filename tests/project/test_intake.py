"""A submission comes in as a folder, a zip or a tar, and nothing in it leads, waits, swells or writes elsewhere."""

import bz2
import gzip
import io
import itertools
import lzma
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import tarfile
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from tools import grade, make_deep, solution, submission

from grader import intake
from grader.finding import CannotGrade
from grader.intake import Snapshot, archive, receive, receive_one, tree
from grader.report.text import in_a_line

STEP = "05_nonblocking"
SERVER = "print('mine')\n"
SECRET = "precious, and somebody else's"


def taken(path, step=STEP):
    """The files of what is graded: name -> text."""
    found = receive_one(path, step)
    return {tree.shown(parts): data.decode() for parts, data in found.files.items()}


def refused(path, *words, step=STEP, **options):
    """Demand that it is refused in one short line with these words, without waiting and without much memory."""
    began = time.monotonic()
    with pytest.raises(CannotGrade) as caught:
        found = receive(path, [step], **options)[step]
        if isinstance(found, CannotGrade):
            raise found
    said = in_a_line(str(caught.value))
    assert time.monotonic() - began < 30
    assert len(said) < 600 + len(str(path)) and all(word in said for word in words), said
    return said


# Archives made by hand, since no packer makes these


def zipped(path, members, **options):
    """{name or ZipInfo: text} -> a zip at that path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in members.items():
            file.writestr(name, text, **options)
    return path


def tarred(path, members, mode="w", **options):
    """(name, text or type, link name) -> a tar at that path."""
    with tarfile.open(path, mode, **options) as file:
        for name, what, *link in members:
            info = tarfile.TarInfo(name)
            if isinstance(what, str):
                info.size = len(what.encode())
                file.addfile(info, io.BytesIO(what.encode()))
            else:
                info.type, info.linkname = what, link[0] if link else ""
                file.addfile(info)
    return path


def member(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


SERVERS = {f"{STEP}/server.py": SERVER, f"{STEP}/beside.py": "b"}
TAKEN = {"server.py": SERVER, "beside.py": "b"}
PACKERS = {"w": ".tar", "w:gz": ".tar.gz", "w:bz2": ".tar.bz2", "w:xz": ".tar.xz"}


# Layouts


@pytest.mark.parametrize("way", [STEP, f"steps/{STEP}", "", "kata-main", f"kata-main/steps/{STEP}", f"a/b/c/{STEP}"])
@pytest.mark.parametrize("kind", ["folder", "zip", *PACKERS])
def test_layouts(tmp_path, way, kind):
    """Every way to hand in is found in every kind of thing that is handed in, whatever systems leave beside it."""
    files = {f"{way}/{name}".lstrip("/"): text for name, text in TAKEN.items()}
    junk = {
        ".DS_Store": "x",
        "__MACOSX/._server.py": "x",
        ".git/config": "x",
        "._x": "x",
        f"{way}/__pycache__/a.pyc": "x",
    }
    files |= {name.lstrip("/"): text for name, text in junk.items()}
    path = tmp_path / "handed in"
    if kind == "folder":
        for name, text in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
    elif kind == "zip":
        zipped(path, files)
    else:
        tarred(path, [(f"./{name}", text) for name, text in files.items()], kind)
    assert taken(path) == TAKEN


def test_a_program_by_itself(tmp_path):
    """As some systems hand it on: a file with the student's name in its own."""
    (tmp_path / "liddell_alice_1_server.py").write_text(SERVER)
    assert taken(tmp_path / "liddell_alice_1_server.py") == {"server.py": SERVER}


def test_an_archive_in_a_folder(tmp_path):
    """As some systems hand it on: a folder for each student, with an archive. One more in that is too much."""
    (tmp_path / "alice").mkdir()
    inner = zipped(tmp_path / "alice" / "work.zip", SERVERS)
    assert taken(tmp_path / "alice") == TAKEN
    zipped(tmp_path / "twice.zip", {"work.zip": inner.read_bytes()})
    refused(tmp_path / "twice.zip", f"{STEP}/server.py is not there (there is work.zip)")


def test_a_lone_server_only_for_one_step(tmp_path):
    """Whose step a lone server.py is nobody knows if two are asked for, or if its folder names another."""
    (tmp_path / "07_epoll").mkdir()
    (tmp_path / "07_epoll" / "server.py").write_text(SERVER)
    assert taken(tmp_path / "07_epoll", "07_epoll") == {"server.py": SERVER}
    refused(tmp_path / "07_epoll", "05_nonblocking/server.py is not there")
    refused(tmp_path, "05_nonblocking/server.py is not there (there is 07_epoll)")
    (tmp_path / "server.py").write_text(SERVER)
    found = receive(tmp_path, ["05_nonblocking", "07_epoll"])
    assert isinstance(found["05_nonblocking"], CannotGrade) and isinstance(found["07_epoll"], Snapshot)


def test_nearest_first(tmp_path):
    """What stands at the top is graded, not what lies in a folder deeper."""
    submission(tmp_path, {STEP: SERVER})
    submission(tmp_path / "steps", {STEP: "old"})
    submission(tmp_path / "backup", {STEP: "older"})
    assert taken(tmp_path) == {"server.py": SERVER}


# What leads elsewhere


@pytest.mark.parametrize("at", ["05_nonblocking/server.py", "05_nonblocking", "steps"])
def test_links_in_a_folder(tmp_path, at):
    """A link is refused where the server should be, to whatever it leads; one to a file inside too."""
    submission(tmp_path / "other" / "steps", {STEP: SECRET})
    path = tmp_path / "s" / at
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "other" / ("" if at == "steps" else "steps") / at)
    refused(tmp_path / "s", "symbolic link")


def test_what_lies_beside_is_left_out(tmp_path):
    """Links, FIFOs, sockets and devices beside the server are left out, and said; the server is graded."""
    folder = submission(tmp_path / "s", {STEP: SERVER}) / STEP
    (tmp_path / "secret").write_text(SECRET)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "loop").symlink_to("loop")
    (folder / "folder").symlink_to("/etc")
    os.link(tmp_path / "secret", folder / "hard")
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder / "s"))
        found = receive_one(tmp_path / "s", STEP)
    assert list(found.files) == [("server.py",)] and not found.folders
    said = "\n".join(found.notes)
    assert "3 x symbolic link (folder, link, loop)" in said and "hard link) (hard)" in said
    assert "2 x device, FIFO or socket (fifo, s)" in said and len(found.notes) == 3


@pytest.mark.parametrize("kind", ["hard link", "FIFO", "folder", "socket", "device"])
def test_server_is_no_plain_file(tmp_path, kind):
    """At once, and without opening what should not be opened."""
    path = submission(tmp_path / "s", {STEP: ""}) / STEP / "server.py"
    path.unlink()
    if kind == "hard link":
        (tmp_path / "secret").write_text(SECRET)
        os.link(tmp_path / "secret", path)
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        os.mknod(path, 0o140600)
    elif os.geteuid() == 0:
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("no device may be made here")
    else:
        pytest.skip("only root makes devices")
    refused(tmp_path / "s", "server.py is not a regular file")


def test_the_submission_is_a_link(tmp_path):
    """The name that somebody typed may be a link; an entry of a class may not."""
    submission(tmp_path / "real", {STEP: SERVER})
    (tmp_path / "link").symlink_to("real")
    assert taken(tmp_path / "link") == {"server.py": SERVER}
    refused(tmp_path / "link", "is a symbolic link, and not followed", follow=False)


@pytest.mark.parametrize(
    "name", ["../evil.py", "a/../../evil", "/etc/evil", "..", f"{STEP}/../../x", "C:\\evil", "..\\evil", "x" * 300]
)
@pytest.mark.parametrize("kind", ["zip", "w:gz"])
def test_names_that_lead_out(tmp_path, name, kind):
    """Refused whole: nobody packs such a name by mistake, and nothing is written anywhere."""
    if kind == "zip":
        path = zipped(tmp_path / "s", {**SERVERS, name: "x"})
    else:
        path = tarred(tmp_path / "s", [*SERVERS.items(), (name, "x")], kind, format=tarfile.PAX_FORMAT)
    if kind != "zip" and "..\\" in name:
        assert "..\\evil" not in taken(path)  # a name as any other, outside of what is graded
        return
    before = sorted(tmp_path.parent.rglob("*"))
    said = refused(path, "holds a name")
    assert re.search("leads out of it|begins at the root|no file can have", said)
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_links_and_devices_in_archives(tmp_path):
    """They are never made: left out beside the server, refused in its place."""
    kinds = {"l": stat.S_IFLNK, "p": stat.S_IFIFO, "c": stat.S_IFCHR, "b": stat.S_IFBLK, "s": stat.S_IFSOCK}
    odd = {member(f"{STEP}/{name}", mode | 0o777): "/etc/passwd" for name, mode in kinds.items()}
    assert taken(zipped(tmp_path / "a.zip", {**SERVERS, **odd})) == TAKEN
    types = {
        "l": tarfile.SYMTYPE,
        "h": tarfile.LNKTYPE,
        "c": tarfile.CHRTYPE,
        "b": tarfile.BLKTYPE,
        "p": tarfile.FIFOTYPE,
    }
    odd = [(f"{STEP}/{name}", kind, "/etc/passwd") for name, kind in types.items()]
    path = tarred(tmp_path / "a.tar", [*SERVERS.items(), *odd])
    assert taken(path) == TAKEN
    assert [line.split(": ")[1][:3] for line in receive_one(path, STEP).notes] == ["3 x", "1 x", "1 x"]
    refused(
        zipped(tmp_path / "l.zip", {member(f"{STEP}/server.py", stat.S_IFLNK | 0o777): "/etc/passwd"}), "symbolic link"
    )
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        refused(
            tarred(tmp_path / "l.tar", [(f"{STEP}/server.py", kind, "/etc/passwd")]), "server.py is not a regular file"
        )


def test_through_a_link_of_the_archive(tmp_path):
    """A link and then a file behind it: the place is taken, and nothing is written through it."""
    (tmp_path / "out").mkdir()
    members = [(f"{STEP}/d", tarfile.SYMTYPE, str(tmp_path / "out")), (f"{STEP}/d/evil", "x"), *SERVERS.items()]
    refused(tarred(tmp_path / "s.tar", members), "twice")
    assert not list((tmp_path / "out").iterdir())


# What swells


def test_too_much(tmp_path, monkeypatch):
    """More than the limits of size, of files, of folders in each other: from a folder, a zip and a tar."""
    monkeypatch.setattr(intake, "MOST_BYTES", 2 << 20)
    monkeypatch.setattr(intake, "MOST_FILES", 200)
    for what in ("size", "files", "depth"):
        many = {f"{STEP}/server.py": SERVER}
        if what == "size":
            many |= {f"{STEP}/{n}": "\0" * ((1 << 20) + n) for n in range(2)}
        elif what == "files":
            many |= {f"{STEP}/{n}": "" for n in range(200)}
        else:
            many |= {f"{STEP}/{'d/' * 51}x": "x"}
        folder = tmp_path / what
        for name, text in many.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        words = "holds more than 200 files, 2 MiB or 50 folders in each other; hand in server.py"
        refused(folder, words)
        refused(zipped(tmp_path / "s.zip", many), words)
        refused(tarred(tmp_path / "s.tgz", many.items(), "w:gz"), words)
        shutil.rmtree(folder)


def test_deep(tmp_path):
    """1,500 folders in each other, on the way to the server, beside it, and in an archive's name."""
    folder = submission(tmp_path / "s", {STEP: SERVER})
    for start in (folder / STEP, tmp_path / "wrapped"):
        start.mkdir(exist_ok=True)
        make_deep(start)
    try:
        refused(folder, "50 folders in each other")
        refused(tmp_path / "wrapped", "server.py is not there")
    finally:
        subprocess.run(["rm", "-rf", folder, tmp_path / "wrapped"], check=True)
    deep = {f"{STEP}/{'d/' * 1500}x": "x", **SERVERS}
    refused(zipped(tmp_path / "s.zip", deep), "50 folders in each other")
    refused(tarred(tmp_path / "s.tar", deep.items()), "50 folders in each other")


def test_a_large_server(tmp_path):
    """300 MB of it (in no room on the disk): a look at the first MiB is enough."""
    path = submission(tmp_path / "s", {STEP: ""}) / STEP / "server.py"
    os.truncate(path, 300 << 20)
    refused(tmp_path / "s", "server.py has more than 1 MiB; is it a program?")
    (tmp_path / "large.py").write_text("")
    os.truncate(tmp_path / "large.py", 60 << 20)
    refused(tmp_path / "large.py", "is it a program?")
    (tmp_path / "large.zip").write_bytes(b"PK\3\4")
    os.truncate(tmp_path / "large.zip", 65 << 20)
    refused(tmp_path / "large.zip", "has more than 64 MiB")


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_bombs(tmp_path, monkeypatch, kind):
    """What unpacks to more than there may be is left once it is too much, with little memory."""
    assert archive.MOST_UNPACKED == 256 << 20
    monkeypatch.setattr(archive, "MOST_UNPACKED", 32 << 20)
    head = tarfile.TarInfo(f"{STEP}/server.py")
    head.size = 50 << 20
    packer = {"gz": gzip, "bz2": bz2, "xz": lzma}[kind]
    (tmp_path / "s").write_bytes(packer.compress(head.tobuf() + bytes(head.size)))
    tracemalloc.start()
    refused(tmp_path / "s", "is more than 32 MiB unpacked")
    assert tracemalloc.get_traced_memory()[1] < 12 << 20
    tracemalloc.stop()


def test_a_zip_that_lies(tmp_path):
    """It says that a member is small, and much comes; or that it is large, and little comes."""
    path = zipped(tmp_path / "s", {f"{STEP}/server.py": "\0" * (80 << 20)})
    refused(path, "server.py has more than 1 MiB")
    data = path.read_bytes()
    for size in (5, 0x7FFFFFFF):
        at = data.index(b"PK\1\2")
        path.write_bytes(data[: at + 24] + struct.pack("<I", size) + data[at + 28 :])
        refused(path, "damaged" if size == 5 else "more than 1 MiB")


def test_members_in_the_same_bytes(tmp_path):
    """A zip whose members share their bytes: each counts."""
    path = zipped(tmp_path / "s", {f"{STEP}/server.py": SERVER, f"{STEP}/00": "\0" * (40 << 20)})
    data = path.read_bytes()
    begin, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    entries = data[begin:end]
    again = entries[entries.rindex(b"PK\1\2") :]
    more = b"".join(again.replace(b"/00", b"/%02d" % n) for n in range(1, 5))
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 6, 6, len(entries + more))
    path.write_bytes(data[:begin] + entries + more + bytes(tail))
    assert len(zipfile.ZipFile(path).namelist()) == 6
    said = refused(path, str(path))
    assert "holds more than" in said or "verlap" in said or "damaged" in said


def test_many_members(tmp_path, monkeypatch):
    """A list of contents without end is not read to its end."""
    assert archive.MOST_ENTRIES == tree.MOST_ENTRIES == 20_000
    monkeypatch.setattr(archive, "MOST_ENTRIES", 500)
    refused(zipped(tmp_path / "s.zip", {f"x/{n}": "" for n in range(501)}), "holds more than 500 files")
    refused(tarred(tmp_path / "s.tar", [(f"x/{n}", "") for n in range(501)]), "holds more than 500 files")
    zipped(tmp_path / "long.zip", {f"{n:05}{'x' * 60_000}": "" for n in range(100)})
    refused(tmp_path / "long.zip", "damaged")


def test_a_long_name_without_end(tmp_path):
    """A tar's header says how much of it is a name: 60 MiB are not read for that."""
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        head = tarfile.TarInfo("x")
        head.type, head.size = kind, 60 << 20
        (tmp_path / "s").write_bytes(head.tobuf() + bytes(60 << 20))
        tracemalloc.start()
        refused(tmp_path / "s", "damaged or cut short")
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
        tracemalloc.stop()


def test_a_tar_that_goes_back(tmp_path):
    """A size below nothing leads tarfile back to where it was, again and again."""
    head = bytearray(tarfile.TarInfo("x").tobuf())
    head[124:136] = (-512).to_bytes(12, "big", signed=True)
    head[148:156] = b"        "
    head[148:156] = b"%06o\0 " % sum(head)
    (tmp_path / "s").write_bytes(bytes(head) + bytes(1024))
    refused(tmp_path / "s", "damaged")


# What is damaged, locked, or in other words


def test_damaged(tmp_path):
    """An archive that ends too early, wherever, and one with a flipped byte: a line, or what was packed."""
    packed = [zipped(tmp_path / "s.zip", SERVERS)]
    packed += [tarred(tmp_path / f"s{end}", SERVERS.items(), mode) for mode, end in PACKERS.items()]
    for path in packed:
        data = path.read_bytes()
        for cut in {1, 3, 10, 100, 300, 511, 600, len(data) // 2, len(data) - 1}:
            path.write_bytes(data[:cut])
            try:
                assert taken(path) == TAKEN
            except CannotGrade as error:
                assert str(error).startswith(str(path)), cut
        for at in range(0, len(data), max(len(data) // 60, 1)):
            path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
            try:
                taken(path)
            except CannotGrade as error:
                assert str(error).startswith(str(path)), at


def test_cut_short(tmp_path):
    """A tar that ends in a member, or whose next head is no head, is not taken for a short one."""
    path = tarred(tmp_path / "s", [(f"{STEP}/server.py", SERVER), (f"{STEP}/more.py", "m" * 5000)])
    data = path.read_bytes()
    for damaged in (data[:2000], data[:1024] + b"x" * 512 + data[1536:]):
        path.write_bytes(damaged)
        refused(path, "damaged or cut short")


def test_encrypted(tmp_path):
    """A zip with a password."""
    path = zipped(tmp_path / "s.zip", SERVERS)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    data[at + 8] |= 1
    path.write_bytes(data)
    refused(path, "is encrypted; pack it without a password")


@pytest.mark.parametrize("method", [9, 12, 14, 93, 99])
def test_packed_in_another_way(tmp_path, method):
    """Deflate64, bzip2, LZMA, zstd, AES: a line that says what to do."""
    path = zipped(tmp_path / "s.zip", SERVERS)
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.index(b"PK\1\2") + 10, method)
    path.write_bytes(data)
    refused(path, "pack it as an ordinary .zip")


@pytest.mark.parametrize(("head", "words"), [(b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\7", "rar"), (b"MZ", "no .zip")])
def test_other_archives(tmp_path, head, words):
    """What is not read here says what to hand in."""
    (tmp_path / "s").write_bytes(head + bytes(600))
    refused(tmp_path / "s", words, ".zip")


def test_twice(tmp_path):
    """A name that is there twice, or as a file and a folder: which is meant nobody knows."""
    with pytest.warns(UserWarning), zipfile.ZipFile(tmp_path / "s.zip", "w") as file:
        file.writestr(f"{STEP}/server.py", SERVER)
        file.writestr(f"{STEP}/server.py", "another")
    refused(tmp_path / "s.zip", "holds '05_nonblocking/server.py' twice")
    for odd in (f"{STEP}/server.py/x", f"{STEP}//./server.py"):
        refused(tarred(tmp_path / "s.tar", [*SERVERS.items(), (odd, "x")]), "twice")


@pytest.mark.parametrize("other", ["Server.py", "SERVER.PY"])
def test_case_clashes(tmp_path, other):
    """Two names that differ in case alone, from a folder and from an archive; the same of composed letters."""
    folder = submission(tmp_path / "s", {STEP: SERVER})
    (folder / STEP / other).write_text("x")
    refused(folder, repr(other), "differ in case alone")
    refused(zipped(tmp_path / "s.zip", {**SERVERS, f"{STEP}/{other}": "x"}), "differ in case alone")
    refused(
        zipped(tmp_path / "u.zip", {**SERVERS, f"{STEP}/\u00e9": "x", f"{STEP}/e\u0301": "x"}), "differ in case alone"
    )


def test_names_in_other_words(tmp_path):
    """UTF-8 without its flag, cp437, bytes that are no text, and backslashes: the server is found beside them."""
    raw = {"utf8": "wörter.py".encode(), "cp437": "wörter.py".encode("cp437"), "broken": b"\xff\xfe\x80.py"}
    for name, data in raw.items():
        path = zipped(tmp_path / f"{name}.zip", {**SERVERS, f"{STEP}/{'#' * len(data)}": "w"})
        path.write_bytes(path.read_bytes().replace(b"#" * len(data), data))
        found = taken(path)
        assert found.items() > TAKEN.items() and (name == "broken" or "wörter.py" in found), found
    windows = zipped(tmp_path / "w.zip", {f"{STEP}/server.py": SERVER, f"{STEP}/sub/x": "x"})
    windows.write_bytes(windows.read_bytes().replace(b"/", b"\\"))
    assert taken(windows) == {"server.py": SERVER, "sub/x": "x"}
    for data in raw.values():
        name = os.fsdecode(data)
        for mode in ("w", "w:xz"):
            path = tmp_path / "s.tar"
            members = [*SERVERS.items(), (f"{STEP}/{name}", "w")]
            tarred(path, members, mode, format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape")
            assert receive_one(path, STEP).files[(name,)] == b"w"


def test_names_on_disk(tmp_path):
    """Names that are no UTF-8 go through a folder and its copy byte for byte, and count in the sum."""
    folder = submission(tmp_path / "s", {STEP: SERVER}) / STEP
    names = [b"\xff\n\x1b[31m", "中文".encode(), b"x" * 255]
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(name)
    found = receive_one(tmp_path / "s", STEP)
    found.write(tmp_path / "copy")
    assert sorted(os.listdir(os.fsencode(tmp_path / "copy"))) == sorted([*names, b"server.py"])
    assert receive_one(tmp_path / "copy" / "server.py", STEP).sha256 != found.sha256


# The snapshot


def test_the_sum_of_a_snapshot(tmp_path):
    """It does not hang on how it was handed in, nor on the time; any other name, byte or folder is another."""
    folder = submission(tmp_path / "s", {STEP: SERVER})
    (folder / STEP / "beside.py").write_text("b")
    ways = [folder, zipped(tmp_path / "s.zip", SERVERS), tarred(tmp_path / "s.tgz", SERVERS.items(), "w:gz")]
    assert len({receive_one(path, STEP).sha256 for path in ways}) == 1
    sums = {receive_one(folder, STEP).sha256}
    changes = [
        ("server.py", "x"),
        ("beside.py", ""),
        ("beside.pyb", ""),
        ("sub/beside.py", "b"),
        ("s/u", "b"),
        ("su", "b"),
    ]
    for name, text in changes:
        shutil.rmtree(tmp_path / "t", ignore_errors=True)
        other = submission(tmp_path / "t", {STEP: SERVER})
        (other / STEP / name).parent.mkdir(exist_ok=True)
        (other / STEP / name).write_text(text)
        sums.add(receive_one(other, STEP).sha256)
    assert len(sums) == 1 + len(changes)


def test_a_snapshot_is_written_to_a_new_place(tmp_path):
    """Never over what is there, a link included."""
    found = Snapshot("x", {("server.py",): b"x"})
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("nothing")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            found.write(tmp_path / name)


@pytest.mark.usefixtures("temporary")
def test_an_archive_is_graded(tmp_path):
    """`--submission` of the command line takes the same, says the sum, and what was left out."""
    members = [
        ("w/01_blocking/server.py", solution("01_blocking")),
        ("w/01_blocking/l", tarfile.SYMTYPE, "/etc/passwd"),
    ]
    path = tarred(tmp_path / "s.tar.gz", members, "w:gz")
    run = grade("01", "--submission", path, "-k", "answers", "--json", tmp_path / "j", results=tmp_path / "r.json")
    assert run.results["score"] == 2, run.out + run.err
    assert "left out of the submission: 1 x symbolic link (l)" in run.out
    assert receive_one(path, "01_blocking").sha256 in (tmp_path / "j").read_text()
    run = grade("01", "--submission", zipped(tmp_path / "evil.zip", {"../x": "x"}))
    assert run.status == 2 and "leads out of it" in run.err and run.err.count("\n") == 1


@pytest.mark.usefixtures("temporary")
def test_what_changes_after_the_beginning_changes_nothing(tmp_path, monkeypatch):
    """Every start has the bytes of the snapshot, whatever became of the submission or of a server's copy."""
    from grader.grading import Grading

    folder = submission(tmp_path / "s", {STEP: SERVER})
    run = Grading(folder, STEP)
    try:
        first = run.copy()
        first.write_text("changed by a server")
        shutil.rmtree(folder)
        assert run.copy().read_text() == SERVER and first.parent != run.copy().parent
    finally:
        run.close()


def test_sizes_of_made_up_names(tmp_path):
    """No path of a snapshot leaves the folder that it is written to, whatever the members were called."""
    odd = [
        "a",
        ".",
        "./",
        "//",
        "...",
        " ",
        "\n",
        "\x1b[2J",
        "-",
        "~",
        "$HOME",
        "%2e%2e",
        "a\\b",
        "\u202e",
        "con",
        "a.",
    ]
    for count, (one, two) in enumerate(itertools.product(odd, odd)):
        if count % 7 == 0:
            path = tarred(tmp_path / "s", [*SERVERS.items(), (f"{STEP}/{one}/{two}", "x")], format=tarfile.GNU_FORMAT)
            try:
                found = receive_one(path, STEP)
            except CannotGrade:
                continue
            found.write(tmp_path / f"copy-{count}")
            inside = {Path(os.fsdecode(p)).parent for p in (tmp_path / f"copy-{count}").rglob("*")}
            assert all(tmp_path / f"copy-{count}" in (p, *p.parents) for p in inside)


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize("way", ["graded", "no server", "none", "archive", "not an argument"])
def test_no_name_acts_on_the_terminal(tmp_path, way):
    """A folder, an archive and a file in them may be called anything: what is said of them is text, in a line."""
    name = "\x1b[31m\x1b]0;x\x07\n\u202e\udcff"
    folder = submission(tmp_path / name, {"01_blocking": solution("01_blocking")})
    (folder / "01_blocking" / name).symlink_to(name)
    given = ["--submission", folder, "-k", "answers"]
    if way == "no server":
        given = ["--submission", folder / "01_blocking" / name]
    elif way == "none":
        given = ["--submission", folder / "none"]
    elif way == "archive":
        given = ["--submission", tarred(tmp_path / f"{name}.tar", [(f"../{name}", "x")], format=tarfile.GNU_FORMAT)]
    elif way == "not an argument":
        given += [folder]
    run = grade("01", *given)
    assert run.status == (0 if way == "graded" else 2), run.out + run.err
    said = run.out + run.err
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", said) and "\\x1b[31m" in said
    assert run.err.count("\n") == (0 if way == "graded" else 1)

"""Loaded by the Python of every server of a grading run (site, "sitecustomize"), before the learner's code.

It does two things, and leaves all else alone. It says on demand, by a signal that comes only after the verdict,
which line each thread and each greenlet is in (grader.lines). And it gives the server a clock that can be
set forward (grader.clock.Clock): the first double in its file is read, how far the clock is ahead; to the
second is written what alarm(2) or setitimer(2) was last set to, which no file in /proc shows.

It holds no descriptor and no thread, and imports nothing that Python had not loaded already but `mmap`.
"""

import os
import sys

TYPE_CHECKING = False  # as typing.TYPE_CHECKING: what stands under it is read by mypy alone, and is not imported
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from types import BuiltinFunctionType, FrameType, ModuleType
    from typing import Any
else:
    import _signal

ASK = 59  # grader.lines.ASK: a real-time signal that hardly anybody uses
DEEPEST, MOST = 60, 2000  # frames of a stack, stacks of a process


def frames(frame: "FrameType | None") -> list[str]:
    """A stack as lines of tab-separated words, the innermost frame first; names as hexadecimal digits of UTF-8."""
    found: list[str] = []
    while frame is not None and len(found) < DEEPEST:
        code = frame.f_code
        names = (name.encode("utf-8", "replace").hex() for name in (code.co_name, code.co_filename))
        found.append("\t".join(["frame", str(frame.f_lineno), *names]))
        frame = frame.f_back
    return found


def stacks(frame: "FrameType | None") -> list[str]:
    """Every thread's stack, under its native id (0: unknown), then that of every greenlet that does not run; one that
    has yet to begin has none."""
    threading = sys.modules.get("threading")
    known = dict(getattr(threading, "_active", {}))
    native = {ident: getattr(thread, "native_id", 0) for ident, thread in known.items()}
    native[MAIN] = os.getpid()
    found: list[str] = []
    for ident, current in list(sys._current_frames().items())[:MOST]:
        found += [f"thread\t{native.get(ident) or 0}", *frames(frame if ident == MAIN else current)]
    if greenlet := sys.modules.get("greenlet"):
        import gc

        kind = greenlet.greenlet  # gevent's own has another idea of what is alive

        def waits(each: "Any") -> bool:
            begun, over = kind.__bool__(each), kind.dead.__get__(each)
            return bool(each.gr_frame) or not (begun or over)

        alive = [each for each in gc.get_objects() if isinstance(each, kind) and waits(each)]
        for each in alive[:MOST]:
            found += ["greenlet\t0", *frames(each.gr_frame)]
    return found


def answer(_number: int, frame: "FrameType | None") -> None:
    """Write the stacks beside, then rename: the asker sees all of them or none."""
    path = f"{FOLDER}/{os.getpid()}"
    try:
        text = "\n".join(["stacks", *stacks(frame)])
        file = os.open(path + "~", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, text.encode("ascii", "replace"))
        finally:
            os.close(file)
        os.rename(path + "~", path)
    except Exception:  # whatever is wrong with this server, what is said of it must not make it worse
        pass


def main_changes() -> None:
    """After a fork the thread that forked is the main one."""
    global MAIN
    MAIN = get_ident()


class Instead:
    """In place of a built-in function: found in a class it is no method, and it is pickled by its name, as that is."""

    def __init__(self, function: "BuiltinFunctionType", call: "Callable[..., object]"):
        self.function, self.call = function, call
        self.__module__ = function.__module__

    def __call__(self, *args: object, **named: object) -> object:
        return self.call(*args, **named)

    def __getattr__(self, name: str) -> object:
        return getattr(self.function, name)

    def __reduce__(self) -> str:
        return self.function.__name__


def page(path: str) -> "memoryview[float]":
    """The two doubles of the clock's file, in memory that all processes share. No descriptor of it stays open.

    Before Python 3.13 a map keeps a copy of its own, which takes the lowest free number. The map has no use
    for it; but it would close that number in the end, and must outlive whatever has it then.
    """
    import mmap

    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if sys.version_info >= (3, 13):
            return memoryview(mmap.mmap(file, 16, trackfd=False)).cast("d")
        os.close(copy := os.dup(file))
        memory = mmap.mmap(file, 16)
        main_changes.keeps = memory  # type: ignore[attr-defined]  # to the very end, as Python keeps the function
        if os.path.sameopenfile(copy, file):
            os.close(copy)
        return memoryview(memory).cast("d")
    finally:
        os.close(file)


def set_forward(path: str) -> None:
    """Let Python's clocks be ahead of the truth by what the page says, and note alarms in it."""
    import time

    clock = page(path)

    def replace(module: "ModuleType", name: str, call: "Callable[..., object]") -> None:
        instead = Instead(getattr(module, name), call)
        for place in (module, sys.modules.get(module.__name__.removeprefix("_"))):
            if getattr(place, name, None) is instead.function:
                setattr(place, name, instead)

    def forward(name: str) -> None:
        now, now_ns = getattr(time, name), getattr(time, f"{name}_ns")
        replace(time, name, lambda *which: now(*which) + clock[0] * (which in FOLLOW))
        replace(time, f"{name}_ns", lambda *which: now_ns(*which) + int(clock[0] * (which in FOLLOW) * 1e9))

    alarm, setitimer = _signal.alarm, _signal.setitimer

    def noted_alarm(seconds: int, /) -> int:
        before = alarm(seconds)
        clock[1] = seconds
        return before

    def noted_setitimer(which: int, seconds: float, interval: float = 0.0, /) -> tuple[float, float]:
        before = setitimer(which, seconds, interval)
        if which == _signal.ITIMER_REAL:
            clock[1] = seconds
        return before

    replace(_signal, "alarm", noted_alarm)
    replace(_signal, "setitimer", noted_setitimer)
    # What a process has used of the processor is no clock that waiting moves.
    real = ("REALTIME", "MONOTONIC", "MONOTONIC_RAW", "BOOTTIME", "TAI")
    unnamed = {(5,), (6,), (8,), (9,)}  # the coarse ones and those for alarms, clock_gettime(2)
    FOLLOW = {(), *unnamed, *((getattr(time, f"CLOCK_{name}"),) for name in real if hasattr(time, f"CLOCK_{name}"))}
    for name in ("time", "monotonic", "perf_counter", "clock_gettime"):
        forward(name)


if FOLDER := os.environ.get("EIGHT_SERVERS_LINES"):
    from _thread import get_ident

    MAIN = get_ident()
    os.register_at_fork(after_in_child=main_changes)
    _signal.signal(ASK, answer)

if CLOCK := os.environ.get("EIGHT_SERVERS_CLOCK"):
    try:
        set_forward(CLOCK)
    except (OSError, ValueError):
        pass

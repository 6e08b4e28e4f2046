"""An inline tox plugin: the runner `shared`, by which environments share one folder; the setting `quiet`; how tox ends.

Grading any step takes the same packages. tox 4 would rebuild a shared folder each time another
environment uses it, because it notes the environment's name there. This runner notes the folder's name
instead; every other change (interpreter, packages) still counts. See https://tox.wiki, "plugins".

What a learner is told is to be the last thing on his screen. So where `quiet` is set, tox says nothing of a command
that it runs, nor of how that ended, unless it is asked to by -v. What goes wrong before it is still told.

SIGTERM and SIGHUP are as Ctrl-C to tox: it ends what it runs, and waits for that. The grader also asks the kernel to be
told if tox is killed (grader/start.py), and is told here whose child it is.
"""

from __future__ import annotations

import logging
import os
import signal
import threading

from filelock import FileLock
from tox.config.cli.parser import DEFAULT_VERBOSITY
from tox.plugin import impl
from tox.tox_env.info import Info
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner

os.environ["EIGHT_SERVERS_PARENT"] = str(os.getpid())
if threading.current_thread() is threading.main_thread():
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


class SharedInfo(Info):
    """What tox noted about a folder at its last use, compared without the environment's name."""

    def compare(self, value, section, sub_section=None):
        if section == "ToxEnv":
            value = {**value, "name": "shared"}
        return super().compare(value, section, sub_section)


class SharedRunner(VirtualEnvRunner):
    @staticmethod
    def id() -> str:
        return "shared"

    @property
    def cache(self) -> Info:
        return SharedInfo(self.env_dir)

    def setup(self) -> None:
        """One at a time: `tox -e step01` and `tox -e step02` may run beside each other."""
        self.env_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(self.env_dir / "file.lock"):
            super().setup()
            # So that `python -m grader` is found without the working folder too (PYTHONSAFEPATH).
            (self.env_site_package_dir() / "eight_servers.pth").write_text(f"{self.core['tox_root']}\n", "utf-8")


@impl
def tox_register_tox_env(register) -> None:
    register.add_run_env(SharedRunner)


@impl
def tox_add_env_config(env_conf, state) -> None:
    env_conf.add_config("quiet", bool, False, "say nothing of the commands and of how they ended")


@impl
def tox_before_run_commands(tox_env) -> None:
    options = tox_env.options
    if tox_env.conf["quiet"] and options.verbosity <= DEFAULT_VERBOSITY:
        logging.disable(logging.CRITICAL)
        options.verbose, options.quiet = 0, 0  # for the summary of the run


@impl
def tox_after_run_commands(tox_env, exit_code, outcomes) -> None:
    logging.disable(logging.NOTSET)

"""An inline tox plugin: the runner `shared`, by which environments share one folder.

Grading any step takes the same packages. tox 4 would rebuild a shared folder each time another
environment uses it, because it notes the environment's name there. This runner notes the folder's name
instead; every other change (interpreter, packages) still counts. See https://tox.wiki, "plugins".
"""

from __future__ import annotations

from filelock import FileLock
from tox.plugin import impl
from tox.tox_env.info import Info
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner


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


@impl
def tox_register_tox_env(register) -> None:
    register.add_run_env(SharedRunner)

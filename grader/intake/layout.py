"""Where in a submission the server of a step is: the ways in which people hand in."""

from grader import STEPS
from grader.finding import CannotGrade
from grader.intake.tree import FILE, FOLDER, Parts, Tree, is_junk, shown

SERVER = "server.py"
WRAPPERS = 3  # folders with nothing but a folder in them: a download, an archive in it, ...
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tbz2", ".txz")


def find(tree: Tree, step: str, lone: bool) -> Parts:
    """The folder that holds the step's server.py. Raises CannotGrade with a line that says what to do.

    `NN_name/`, `steps/NN_name/`, with `lone` the folder itself; or one of these in a folder that holds one folder.
    """
    at: Parts = ()
    for _ in range(1 + WRAPPERS):
        names = kept(tree, at)
        for path in ((step,), ("steps", step)):
            if holds(tree, at, path):
                return at + path
        if lone and SERVER in names:
            return at
        inside = [name for name, kind in names.items() if kind == FOLDER]
        if len(inside) != 1 or inside[0] in (*STEPS, "steps"):
            break
        at += (inside[0],)
    there = sorted(kept(tree, ()))
    words = (
        f" (there is {', '.join(there[:4])}{f' and {len(there) - 4} more' if len(there) > 4 else ''})" if there else ""
    )
    alone = f", or {SERVER} alone" if lone else ""
    raise CannotGrade(f"{tree.name}/{step}/{SERVER} is not there{words}; a submission holds {step}/{SERVER}{alone}")


def kept(tree: Tree, folder: Parts) -> dict[str, str]:
    return {name: kind for name, kind in tree.names(folder).items() if not is_junk(name)}


def holds(tree: Tree, at: Parts, path: Parts) -> bool:
    """Whether this way leads to a server.py, of whatever kind. Raises CannotGrade for a folder that is a link."""
    for name in path:
        kind = tree.names(at).get(name)
        if kind is None:
            return False
        at += (name,)
        if kind != FOLDER:
            raise CannotGrade(f"{tree.name}/{shown(at)} is no folder but a {kind}; put the folder itself there")
    return SERVER in tree.names(at)


def archive_in(tree: Tree) -> Parts | None:
    """The one archive of a folder that holds nothing else, as some systems hand it on."""
    names = kept(tree, ())
    if len(names) == 1:
        (name, kind), *_ = names.items()
        if kind == FILE and name.lower().endswith(ARCHIVES):
            return (name,)
    return None

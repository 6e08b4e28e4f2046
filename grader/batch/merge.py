"""`python -m grader.batch.merge SHARD ... --out DIR`: the parts of a batch become one book, that of one machine."""

import argparse
import sys
from pathlib import Path

from grader.batch import book, entry, manifest
from grader.batch.__main__ import write_book
from grader.batch.manifest import Shard
from grader.batch.task import PAGE, RESULT, put
from grader.finding import CannotGrade
from grader.options import Parser, program
from grader.report.text import in_a_line


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = Parser(prog=program("grader.batch.merge"), description="Join the parts of a batch.", allow_abbrev=False)
    parser.add_argument(
        "shards", nargs="+", type=Path, metavar="SHARD", help="the --out of each part; may be one for all"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the book goes")
    parser.add_argument("--csv", action="append", default=[], choices=book.FORMATS, help="write rows for that too")
    return parser.parse_args(argv)


def parts(folders: list[Path]) -> list[Shard]:
    """All parts of one batch. Raises CannotGrade if one is missing, or belongs to another."""
    found: dict[int, Shard] = {}
    for folder in folders:
        paths = sorted(folder.glob("shard-*-of-*.json"))
        if not paths:
            raise CannotGrade(f"{folder} holds no whole part of a batch; run the same batch again, it goes on")
        for path in paths:
            shard = manifest.read(path)
            found.setdefault(shard.index, shard)
            first = next(iter(found.values()))
            if (shard.count, shard.students) != (first.count, first.students):
                raise CannotGrade(f"{path} is a part of another class than {first.folder}, or of another count")
            if other := [name for name in first.same if shard.same.get(name) != first.same[name]]:
                raise CannotGrade(f"{path} was graded with another {' and '.join(other)} than {first.folder}")
    count = next(iter(found.values())).count
    if missing := [str(index) for index in range(1, count + 1) if index not in found]:
        raise CannotGrade(f"missing of {count} parts: {', '.join(missing[:20])}; grade each with --shard I/{count}")
    return [found[index] for index in sorted(found)]


def join(shards: list[Shard], out: Path) -> int:
    """Bring every student's files to `out`; how many were not judged. Raises CannotGrade."""
    unjudged = 0
    for shard in shards:
        for student in shard.students[shard.index - 1 :: shard.count]:
            source = shard.folder / student.folder
            found = entry.read(source / entry.NAME)
            if not found or found.key != shard.keys.get(student.folder):
                raise CannotGrade(f"{source} is not what part {shard.index} has graded; grade that part again")
            unjudged += found.total is None
            if source.resolve() != (out / student.folder).resolve():
                for name in (RESULT, PAGE):
                    put(source / name, out / student.folder / name)
                found.write(out)
    return unjudged


def main() -> int:
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return said(arguments())


def said(options: argparse.Namespace) -> int:
    """Join; what is in the way of that is a line, and status 2."""
    try:
        shards = parts(options.shards)
        unjudged = join(shards, options.out)
        steps = shards[0].same["steps"]
        assert isinstance(steps, list)
        where = write_book(options.out, shards[0].students, tuple(steps), options.csv)
    except CannotGrade as error:
        print(in_a_line(f"merge: {error}"), file=sys.stderr)
        return 2
    except OSError as error:
        print(in_a_line(f"merge: {error.filename or options.out}: {error.strerror}"), file=sys.stderr)
        return 2
    print(f"{len(shards[0].students)} submissions from {len(shards)} parts, {unjudged} not judged")
    print(in_a_line(where), flush=True)
    return 1 if unjudged else 0


if __name__ == "__main__":
    sys.exit(main())

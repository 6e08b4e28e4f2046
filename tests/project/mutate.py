"""Mutants of a Python source: each is the source with one small edit, and the rest byte for byte as it was.

The tree (`ast`) says what may be edited, its positions where. An operator is a generator of edits for one kind of
node. The usual ones are here (see the lists of mutmut, cosmic-ray and PIT), and some for what a server is made of:
the flags of a call, one exception of several, the pieces of a header line and of a pattern.

What cannot be compiled is no mutant, nor is what has the same tree as the source or as a mutant before it. Imports,
docstrings, what argparse prints as help, and what starts `main()` are left alone; and so is what would never run: a
name of the module that is gone, a method's argument in place of its call.
"""

import ast
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

ATOMS = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.JoinedStr)
COMPARE = {
    "<": ["<=", ">"],
    "<=": ["<", ">"],
    ">": [">=", "<"],
    ">=": [">", "<"],
    "==": ["!="],
    "!=": ["=="],
    "in": ["not in"],
    "not in": ["in"],
    "is": ["is not"],
    "is not": ["is"],
}
BINARY = {"+": "-", "-": "+", "*": "+", "/": "*", "//": "*", "%": "*", "|": "&", "&": "|", "<<": ">>", ">>": "<<"}
#: Names that do nearly the same, which makes them easy to mistake for each other.
ALIKE = {
    "EPOLLIN": "EPOLLOUT",
    "EPOLLOUT": "EPOLLIN",
    "O_RDONLY": "O_RDWR",
    "SIGINT": "SIGTERM",
    "SIGTERM": "SIGINT",
    "SIG_DFL": "SIG_IGN",
    "all": "any",
    "any": "all",
    "closed": "answering",
    "answering": "closed",
    "endswith": "startswith",
    "startswith": "endswith",
    "fullmatch": "match",
    "partition": "rpartition",
    "rpartition": "partition",
    "realpath": "abspath",
    "sendall": "send",
    "terminate": "kill",
}
LITERAL = re.compile(rb"([rRbBuUfF]*)('''|\"\"\"|'|\")(.*)\2", re.S)
TOKEN = re.compile(rb"\\.|.", re.S)
PIECE = re.compile(rb"\\.|\{[^{}]*\}|[^\\{}]+", re.S)


@dataclass(frozen=True)
class Edit:
    """Bytes of the source, from `start` to `end`, that give way to `new`."""

    start: int
    end: int
    new: bytes
    operator: str


@dataclass(frozen=True)
class Mutant:
    """One edit. `was` and `now` are the lines that it touches, without indentation; `scope` the function or class.

    `nth` tells mutants apart that have these three in common.
    """

    edit: Edit
    source: bytes
    line: int
    column: int
    operator: str
    scope: str
    was: str
    now: str
    nth: int = 1


class Source:
    """A source text with its tree, and where in the text each node is."""

    def __init__(self, text: bytes):
        self.text = text
        self.tree = ast.parse(text)
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        imports = [node for node in ast.walk(self.tree) if isinstance(node, ast.Import)]
        self.modules = {alias.name for node in imports for alias in node.names}
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def begin(self, node: ast.AST) -> int:
        return self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        return self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def of(self, node: ast.AST) -> bytes:
        return self.text[self.begin(node) : self.end(node)]

    def part(self, node: ast.AST) -> bytes:
        """The text of a node, so that it can stand in another's place."""
        return self.of(node) if isinstance(node, ATOMS) else b"(" + self.of(node) + b")"

    def instead(self, node: ast.AST, new: bytes | str, operator: str) -> Edit:
        return Edit(self.begin(node), self.end(node), new if isinstance(new, bytes) else new.encode(), operator)

    def between(self, left: ast.AST, right: ast.AST, words: Sequence[str]) -> tuple[int, int, str]:
        """Where one of these words stands between two nodes: from, to, which."""
        pattern = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in sorted(words, key=len, reverse=True))
        found = re.compile(pattern.encode()).search(self.text, self.end(left), self.begin(right))
        assert found, ast.dump(left)
        return found.start(), found.end(), " ".join(found[0].decode().split())

    def without(self, nodes: Sequence[ast.AST], operator: str) -> Iterator[Edit]:
        """Each of these in a row left out, with the comma that sets it apart."""
        for number, node in enumerate(nodes):
            begin, end = self.begin(node), self.end(node)
            if number + 1 < len(nodes):
                end = self.begin(nodes[number + 1])
            elif number:
                begin = self.end(nodes[number - 1])
            yield Edit(begin, end, b"", f"{operator} {number + 1}")

    def scope(self, node: ast.AST) -> str:
        names = []
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.append(node.name)
        return ".".join(reversed(names))

    def is_function(self, node: ast.AST) -> bool:
        """Whether this is a function by its looks, and no method: `len`, `os.path.join`."""
        whole = node
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and (node.id in self.modules or node is whole)

    def is_left_alone(self, node: ast.AST) -> bool:
        """Imports, docstrings, help; and what stands where its position does not say (Python 3.10 has f-strings)."""
        parent = self.parents.get(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)) or (isinstance(node, ast.Expr) and is_text(node.value)):
            return True
        if isinstance(node, ast.keyword) and node.arg in ("description", "help"):
            return True
        if isinstance(node, ast.If) and isinstance(parent, ast.Module):
            return True
        if isinstance(node, ast.FormattedValue):  # its text must be what the tree holds
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    there = ast.parse(b"(" + self.of(node.value) + b")", mode="eval").body
                except SyntaxError:
                    return True
            return ast.dump(there) != ast.dump(node.value)
        return isinstance(parent, ast.JoinedStr) and isinstance(node, ast.Constant)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


Operator = Callable[[Source, ast.AST], Iterator[Edit]]
OPERATORS: list[tuple[tuple[type, ...], Operator]] = []


def operator(*kinds: type) -> Callable[[Operator], Operator]:
    def note(function: Operator) -> Operator:
        OPERATORS.append((kinds, function))
        return function

    return note


@operator(ast.Compare)
def compare(source: Source, node: ast.Compare) -> Iterator[Edit]:
    for left, right in zip([node.left, *node.comparators], node.comparators, strict=False):
        begin, end, word = source.between(left, right, list(COMPARE))
        for other in COMPARE[word]:
            yield Edit(begin, end, other.encode(), f"{word} to {other}")


@operator(ast.BoolOp)
def and_or(source: Source, node: ast.BoolOp) -> Iterator[Edit]:
    begin, end, word = source.between(node.values[0], node.values[1], ("and", "or"))
    other = "or" if word == "and" else "and"
    yield Edit(begin, end, other.encode(), f"{word} to {other}")
    for number, value in enumerate(node.values):
        rest = [source.part(one) for one in node.values if one is not value]
        new = f" {word} ".encode().join(rest)
        yield source.instead(node, new if len(rest) == 1 else b"(" + new + b")", f"operand {number + 1} dropped")


@operator(ast.UnaryOp)
def unary(source: Source, node: ast.UnaryOp) -> Iterator[Edit]:
    yield source.instead(node, source.part(node.operand), type(node.op).__name__.lower() + " dropped")


@operator(ast.BinOp)
def binary(source: Source, node: ast.BinOp) -> Iterator[Edit]:
    begin, end, word = source.between(node.left, node.right, list(BINARY))
    yield Edit(begin, end, BINARY[word].encode(), f"{word} to {BINARY[word]}")
    yield source.instead(node, source.part(node.left), f"left of {word}")
    yield source.instead(node, source.part(node.right), f"right of {word}")


@operator(ast.AugAssign)
def augmented(source: Source, node: ast.AugAssign) -> Iterator[Edit]:
    begin, end, word = source.between(node.target, node.value, [f"{sign}=" for sign in BINARY])
    for other in ("=", f"{BINARY[word[:-1]]}="):
        yield Edit(begin, end, other.encode(), f"{word} to {other}")


@operator(ast.Constant)
def number(source: Source, node: ast.Constant) -> Iterator[Edit]:
    value = node.value
    if isinstance(value, bool):
        yield source.instead(node, str(not value), f"{value} to {not value}")
    elif isinstance(value, (int, float)):
        others = {"+1": value + 1, "-1": value - 1, "to 0": 0}
        for name, other in others.items():
            if other >= 0 or isinstance(value, int):
                yield source.instead(node, str(other), f"number {name}")


@operator(ast.Constant)
def text(source: Source, node: ast.Constant) -> Iterator[Edit]:
    """A text emptied, or without its first or last character."""
    whole = LITERAL.fullmatch(source.of(node)) if isinstance(node.value, (str, bytes)) else None
    if whole and whole[3]:
        tokens = TOKEN.findall(whole[3])
        changed = {"emptied": [], "first dropped": tokens[1:], "last dropped": tokens[:-1]}
        for name, rest in changed.items():
            yield source.instead(node, whole[1] + whole[2] + b"".join(rest) + whole[2], f"text {name}")


@operator(ast.JoinedStr)
def pieces(source: Source, node: ast.JoinedStr) -> Iterator[Edit]:
    """One piece of an f-string left out: what stands between its braces, a text, an escape."""
    whole = LITERAL.fullmatch(source.of(node))
    at = source.begin(node) + whole.start(3) if whole else 0
    for piece in PIECE.finditer(whole[3] if whole else b""):
        yield Edit(at + piece.start(), at + piece.end(), b"", "piece dropped")


@operator(ast.Call)
def pattern(source: Source, node: ast.Call) -> Iterator[Edit]:
    """One token of a pattern left out, + for *, and the other way round; letters stand for themselves."""
    whole = LITERAL.fullmatch(source.of(node.args[0])) if is_pattern(node) else None
    at = source.begin(node.args[0]) + whole.start(3) if whole else 0
    tokens = list(TOKEN.finditer(whole[3])) if whole else []
    for token in tokens:
        if not token[0].isalnum():
            yield Edit(at + token.start(), at + token.end(), b"", "token dropped")
        if token[0] in b"+*":
            other = b"*" if token[0] == b"+" else b"+"
            yield Edit(at + token.start(), at + token.end(), other, "quantifier")


def is_pattern(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "re" and bool(node.args)


@operator(ast.Name, ast.Attribute)
def alike(source: Source, node: ast.Name | ast.Attribute) -> Iterator[Edit]:
    name = node.id if isinstance(node, ast.Name) else node.attr
    if other := ALIKE.get(name):
        yield Edit(source.end(node) - len(name), source.end(node), other.encode(), f"{name} to {other}")


@operator(ast.Call)
def arguments(source: Source, node: ast.Call) -> Iterator[Edit]:
    given = sorted([*node.args, *node.keywords], key=source.begin)
    if not any(isinstance(argument, ast.GeneratorExp) for argument in given):
        for argument, edit in zip(given, source.without(given, "argument"), strict=True):
            if not source.is_left_alone(argument):
                yield edit
    if isinstance(source.parents[node], ast.Expr):
        return
    if node.args and source.is_function(node.func):
        yield source.instead(node, source.part(node.args[0]), "argument for the call")
    elif isinstance(node.func, ast.Attribute) and not given:
        yield source.instead(node, source.part(node.func.value), "object for the call")


@operator(ast.Subscript)
def slices(source: Source, node: ast.Subscript) -> Iterator[Edit]:
    bounds = node.slice if isinstance(node.slice, ast.Slice) else None
    for name in ("lower", "upper") if bounds else ():
        if bound := getattr(bounds, name):
            yield source.instead(bound, b"", f"{name} bound dropped")
            if not isinstance(bound, ast.Constant):
                yield source.instead(bound, source.part(bound) + b" + 1", f"{name} bound +1")
                yield source.instead(bound, source.part(bound) + b" - 1", f"{name} bound -1")


@operator(ast.Set, ast.Tuple)
def elements(source: Source, node: ast.Set | ast.Tuple) -> Iterator[Edit]:
    """One fewer, where a number of them are looked for: in a set, after `in`, after `except`."""
    if isinstance(node, ast.Set) or isinstance(source.parents[node], (ast.Compare, ast.ExceptHandler)):
        yield from source.without(node.elts, "element")


@operator(ast.ExceptHandler)
def handler(source: Source, node: ast.ExceptHandler) -> Iterator[Edit]:
    if node.type:
        yield source.instead(node.type, b"()", "catches nothing")
        if not isinstance(node.type, ast.Tuple):
            yield source.instead(node.type, b"Exception", "catches all")


@operator(ast.If, ast.While, ast.IfExp)
def condition(source: Source, node: ast.If | ast.While | ast.IfExp) -> Iterator[Edit]:
    if not isinstance(node.test, ast.Constant):
        yield from forced(source, node.test)


@operator(ast.comprehension)
def filtered(source: Source, node: ast.comprehension) -> Iterator[Edit]:
    for test in node.ifs:
        yield from forced(source, test)


def forced(source: Source, test: ast.AST) -> Iterator[Edit]:
    names = any(isinstance(node, ast.NamedExpr) for node in ast.walk(test))  # what it gives a name must have it
    for value, word in ((True, "or"), (False, "and")):
        new = b"(" + source.of(test) + f") {word} {value}".encode() if names else str(value)
        yield source.instead(test, new, f"always {value}")


@operator(ast.While, ast.For)
def once(source: Source, node: ast.While | ast.For) -> Iterator[Edit]:
    if isinstance(node, ast.While):
        yield Edit(source.begin(node), source.begin(node) + len("while"), b"if", "once")
    else:
        yield source.instead(node.iter, b"list(" + source.of(node.iter) + b")[:1]", "once")
        yield source.instead(node.iter, b"()", "never")


@operator(ast.With)
def managed(source: Source, node: ast.With) -> Iterator[Edit]:
    first = node.items[0]
    if len(node.items) > 1:
        yield from source.without([item.context_expr for item in node.items], "manager")
    elif first.optional_vars is None:
        end = source.end(first.context_expr)
        yield Edit(source.begin(node), end, b"if " + source.part(first.context_expr) + b" or True", "no manager")


@operator(ast.Break, ast.Continue)
def other_way(source: Source, node: ast.Break | ast.Continue) -> Iterator[Edit]:
    new = "continue" if isinstance(node, ast.Break) else "break"
    yield source.instead(node, new, f"to {new}")


@operator(ast.Return)
def nothing(source: Source, node: ast.Return) -> Iterator[Edit]:
    if node.value:
        yield source.instead(node.value, b"None", "return None")


@operator(ast.Expr, ast.Assign, ast.AugAssign, ast.Return, ast.Raise, ast.Delete, ast.Break, ast.Continue)
def deleted(source: Source, node: ast.stmt) -> Iterator[Edit]:
    if not isinstance(source.parents[node], ast.Module):
        yield source.instead(node, b"pass", "statement deleted")


def nodes(source: Source, node: ast.AST) -> Iterator[ast.AST]:
    if not source.is_left_alone(node):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from nodes(source, child)


def edits(source: Source) -> Iterator[tuple[Edit, str]]:
    for node in nodes(source, source.tree):
        for kinds, function in OPERATORS:
            if isinstance(node, kinds):
                for edit in function(source, node):
                    yield edit, source.scope(node)


def mutants(text: bytes) -> list[Mutant]:
    """All mutants of a source, in the order of the text."""
    source, found = Source(text), []
    seen = {(source.begin(part), ast.dump(ast.Module([part], []))) for part in source.tree.body}
    for edit, scope in sorted(edits(source), key=lambda pair: (pair[0].start, pair[0].end)):
        part = next(part for part in source.tree.body if source.end(part) >= edit.end)  # the rest is as it was
        begin = source.begin(part)
        tree = compiled(text[begin : edit.start] + edit.new + text[edit.end : source.end(part)])
        if tree is not None and (form := (begin, ast.dump(tree))) not in seen:
            seen.add(form)
            found.append(mutant(text, edit, scope))
    return numbered(found)


def compiled(text: bytes) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `1 is 1` and the like: that is what a mutant may look like
        try:
            tree = ast.parse(text)
            compile(tree, "server.py", "exec")
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and is_pattern(node) and isinstance(node.args[0], ast.Constant):
                    re.compile(node.args[0].value)
        except (SyntaxError, ValueError, TypeError, re.error):
            return None
    return tree


def mutant(text: bytes, edit: Edit, scope: str) -> Mutant:
    changed = text[: edit.start] + edit.new + text[edit.end :]
    begin = text.rfind(b"\n", 0, edit.start) + 1
    rest = text.find(b"\n", edit.end)
    was, now = text[begin:rest], changed[begin : rest + len(changed) - len(text)]
    column = len(text[begin : edit.start].decode()) + 1
    line = text.count(b"\n", 0, edit.start) + 1
    return Mutant(edit, changed, line, column, edit.operator, scope, plain(was), plain(now))


def plain(lines: bytes) -> str:
    return "\n".join(line.strip() for line in lines.decode().splitlines())


def numbered(found: list[Mutant]) -> list[Mutant]:
    """Tell apart what looks alike, and make each operator unique at its place."""
    lines: Counter = Counter()
    places: Counter = Counter()
    result = []
    for one in found:
        line, place = (one.scope, one.was, one.now), (one.line, one.column, one.operator)
        lines[line] += 1
        places[place] += 1
        operator = one.operator if places[place] == 1 else f"{one.operator} ({places[place]})"
        result.append(replace(one, nth=lines[line], operator=operator))
    return result

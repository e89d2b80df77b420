# SPDX-License-Identifier: Apache-2.0
"""How large, how deep, how quiet: the countable part of the house's style.

A bound is a question, not a law: raise one only together with its reason.
"""

import ast
import re
from collections.abc import Iterable, Iterator

from tests.shape.floors import called
from tests.shape.house import Source

MODULE = 250
OTHER_MODULE = 400  # tests stay with what they test, and a script in one piece
FUNCTION = 40
PARAMETERS = 5
SPDX = "# SPDX-License-Identifier: Apache-2.0"

Function = ast.FunctionDef | ast.AsyncFunctionDef

# What may be called while a module is read: makers of values that stay.
_VALUES = frozenset(
    ["NewType", "Path", "Struct", "TypeVar", "compile", "frozenset", "timedelta"]
)
_DISPLAYS = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
_READ_ONLY = re.compile(r"(Final\[)?(Mapping|Sequence|Set|Collection)\[")
_SUPPRESSION = re.compile(
    r"(noqa|type: *ignore|pragma: *no|mypy:|ruff:|fmt:) *(\w+\b)?"
    r"[:,]?( *[A-Z]+\d+\b,?)*(\[[\w, -]+\])?"
)


def functions(source: Source) -> Iterator[Function]:
    """Yield every function and method."""
    for node in ast.walk(source.syntax()):
        if isinstance(node, Function):
            yield node


def lines(function: Function) -> int:
    """Count from def to the last line, decorators left out."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters(function: Function) -> int:
    """Count what a caller passes: neither self nor cls."""
    spec = function.args
    names = [arg.arg for arg in [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def too_large(house: Iterable[Source]) -> Iterator[str]:
    """Yield modules and functions beyond their bounds."""
    for source in house:
        ours = source.module.startswith("maildropd")
        if source.length > (MODULE if ours else OTHER_MODULE):
            yield source.at(1, f"{source.length} lines")
        for function in functions(source):
            if lines(function) > FUNCTION:
                yield source.at(function.lineno, f"{lines(function)} lines")
            if parameters(function) > PARAMETERS:
                yield source.at(function.lineno, f"{parameters(function)} parameters")


def broad_excepts(house: Iterable[Source]) -> Iterator[str]:
    """Yield every place that catches whatever comes."""
    for source in house:
        for node in ast.walk(source.syntax()):
            match node:
                case ast.ExceptHandler(type=caught):
                    broad = caught is None or _is_broad(caught)
                case ast.Call(args=caught) if called(node) == "suppress":
                    broad = any(_is_broad(arg) for arg in caught)
                case _:
                    broad = False
            if broad:
                yield source.at(getattr(node, "lineno", 0), "catches everything")


def _is_broad(caught: ast.expr) -> bool:
    names = [n.id for n in ast.walk(caught) if isinstance(n, ast.Name)]
    return "Exception" in names or "BaseException" in names


def headless(house: Iterable[Source]) -> Iterator[str]:
    """Yield modules that do not begin with SPDX line and short docstring."""
    for source in house:
        if not re.match(rf"(?:#!.*\n)?{re.escape(SPDX)}", source.text):
            yield source.at(1, "no SPDX line")
        body = source.syntax().body
        if not ast.get_docstring(source.syntax()):
            yield source.at(1, "no docstring")
        elif source.module != "maildropd":  # the tour of the house may be longer
            first = body[0]
            if (first.end_lineno or 0) - first.lineno > 8:
                yield source.at(first.lineno, "the docstring is longer than six lines")


def busy(house: Iterable[Source]) -> Iterator[str]:
    """Yield what happens, or can change, merely because a module is imported."""
    house = list(house)
    makers = _VALUES | {name for source in house for name in _frozen(source)}
    for source in house:
        if source.is_package and any(
            isinstance(node, ast.Import | ast.ImportFrom)
            for node in ast.walk(source.syntax())
        ):
            yield source.at(1, "a package imports nothing")
        for statement in source.syntax().body:
            if not _is_quiet(statement, makers):
                yield source.at(statement.lineno, "happens or can change on import")
        for node in ast.walk(source.syntax()):
            if isinstance(node, ast.Global):
                yield source.at(node.lineno, "global")


def _frozen(source: Source) -> Iterator[str]:
    """Yield the classes whose instances nobody can change."""
    for node in source.syntax().body:
        if isinstance(node, ast.ClassDef) and any(
            "frozen=True" in ast.unparse(decorator) for decorator in node.decorator_list
        ):
            yield node.name


def _is_quiet(node: ast.stmt, makers: frozenset[str]) -> bool:
    match node:
        case ast.Assign(value=value):
            return _stays(value, makers)
        case ast.AnnAssign(value=ast.expr() as value, annotation=kind):
            # The type checker keeps a Mapping from being written to.
            read_only = _READ_ONLY.match(ast.unparse(kind))
            table = isinstance(value, _DISPLAYS)
            return _stays(value, makers) or (table and read_only is not None)
        case ast.Expr(value=ast.Constant()) | ast.ClassDef():
            return True
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):  # never at run time
            return True
        case _:
            return isinstance(node, Function | ast.Import | ast.ImportFrom)


def _stays(value: ast.expr, makers: frozenset[str]) -> bool:
    """Tell whether a value is one nobody can change."""
    match value:
        case ast.Call():
            return called(value) in makers
        case ast.Tuple(elts=parts):
            return all(_stays(part, makers) for part in parts)
        case _:
            return not isinstance(value, _DISPLAYS)


def suppressions(house: Iterable[Source]) -> Iterator[tuple[str, bool]]:
    """Yield each place where a tool is told to be silent, and if it says why.

    Not the broad excepts: ``broad_excepts`` has a count of its own for them.
    """
    for source in house:
        for line, comment in source.comments():
            reason = re.search("[a-z]{2}", _SUPPRESSION.sub("", comment)) is not None
            if _SUPPRESSION.search(comment) and not (reason and "BLE001" in comment):
                yield source.at(line, comment), reason


def mocks_and_sleeps(tests: Iterable[Source]) -> Iterator[str]:
    """Yield tests that pretend, or hope to have waited long enough."""
    for source in tests:
        for node in ast.walk(source.syntax()):
            match node:
                case ast.Import(names=names) | ast.ImportFrom(names=names):
                    words = [getattr(node, "module", ""), *(n.name for n in names)]
                    if "mock" in ".".join(filter(None, words)).split("."):
                        yield source.at(node.lineno, "a mock; write a fake")
                case ast.Call(args=[ast.Constant(value=0)]):
                    pass  # asyncio.sleep(0) lets others run, it does not wait
                case ast.Call() if called(node) == "sleep":
                    yield source.at(node.lineno, "a sleep; wait for the event")
                case ast.arg(arg="mocker"):
                    yield source.at(node.lineno, "a mock; write a fake")
                case _:
                    pass

# SPDX-License-Identifier: Apache-2.0
"""The source tree as the shape tests see it: files, their syntax, their comments.

Every rule is a function from sources to complaints, so that it can be shown a
broken house as well as ours.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One Python file."""

    path: str  # relative to the root, "maildropd/mail/reply.py"
    text: str

    @property
    def module(self) -> str:
        """The dotted name; a package has the name of its folder."""
        dotted = self.path.removesuffix(".py").replace("/", ".")
        return dotted.removesuffix(".__init__")

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")

    @property
    def length(self) -> int:
        return len(self.text.splitlines())

    def syntax(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    def comments(self) -> Iterator[tuple[int, str]]:
        """Yield line number and text of every comment."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string

    def at(self, line: int, complaint: str) -> str:
        return f"{self.path}:{line}: {complaint}"


def sources(folder: str, root: Path = ROOT) -> list[Source]:
    """Read every Python file below a folder of the house."""
    found = [
        Source(path=str(path.relative_to(root)), text=path.read_text("utf-8"))
        for path in sorted((root / folder).rglob("*.py"))
    ]
    assert found, f"no Python files in {root / folder}"
    return found


def source(path: str, text: str) -> Source:
    """Make up a file, to show a rule what it must complain about."""
    return Source(path=path, text=text)

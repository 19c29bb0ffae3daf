"""The source files of Diorama, parsed once, for the tests of the house rules."""

import ast
import dataclasses
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"


@dataclasses.dataclass(frozen=True)
class Source:
    """One file: where it is, its dotted module name, its text and its syntax tree."""

    path: pathlib.Path
    module: str
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package of the house it belongs to, or ``""`` for the top-level ``diorama/__init__.py``."""
        parts = self.path.relative_to(SOURCE / "diorama").parts
        return parts[0] if len(parts) > 1 else ""

    def at(self, line: int) -> str:
        """A place that an editor can open."""
        return f"{self.path.relative_to(ROOT)}:{line}"

    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method, nested ones too."""
        return [n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]

    def imports(self) -> list[tuple[int, str]]:
        """Line and absolute dotted name of everything imported, inside functions too."""
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                # `from diorama import envs` imports diorama.envs, so the names count as modules where it matters.
                found += [(node.lineno, f"{origin}.{alias.name}") for alias in node.names]
        return found

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        inside = self.module.split(".") if self.path.stem == "__init__" else self.module.split(".")[:-1]
        base = inside[: len(inside) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


@pytest.fixture(scope="session")
def sources() -> tuple[Source, ...]:
    """Every Python file under ``src/diorama``."""
    found = []
    for path in sorted((SOURCE / "diorama").rglob("*.py")):
        text = path.read_text()
        parts = path.relative_to(SOURCE).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Source(path, module, text, ast.parse(text, str(path))))
    return tuple(found)

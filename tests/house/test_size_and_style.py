"""Files and functions stay small, and the source is free of what the house forbids."""

import ast
import pathlib
import re
import statistics

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

FILE_LINES = 400
FUNCTION_LINES = 60
MEDIAN_LINES = 10
FORBIDDEN = {
    "an open to-do": r"\b(TODO|FIXME|XXX)\b",
    "pickle": r"\b(pickle|cloudpickle|dill|joblib)\b|allow_pickle=True|\btorch\.load\(",
    "a device by name": r"(?i)\bcuda\b",
    "Python in a string that is run": r"(?<![\w.])(eval|exec)\(",
}
# Spelled in pieces, so that this file does not hold what it looks for.
PRIVATE = {
    "a path of one machine": r"(?<![\w.])/(work|root|home|Users|farm)/" + r"|(?<![\w.])/tmp/[a-z]",
    "a registry host": "|".join(["pypi" + r"\.org", "python" + "hosted", r"registry\.npm" + "js", r"deb\.deb" + "ian"]),
}


def length(function: ast.FunctionDef | ast.AsyncFunctionDef, docstring: bool) -> int:
    """Lines of a function from ``def`` to its end, with or without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    if docstring or ast.get_docstring(function) is None:
        return lines
    text = function.body[0]
    return lines - (text.end_lineno - text.lineno + 1)


def test_no_file_is_long(sources) -> None:
    long = [f"{s.at(1)} has {len(s.text.splitlines())}" for s in sources if len(s.text.splitlines()) > FILE_LINES]
    assert not long, "\n".join(long)


def test_no_function_is_long(sources) -> None:
    long = [
        f"{s.at(f.lineno)} {f.name} has {length(f, True)}"
        for s in sources
        for f in s.functions()
        if length(f, True) > FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_the_median_function_is_short(sources) -> None:
    median = statistics.median(length(f, False) for s in sources for f in s.functions())
    assert median < MEDIAN_LINES


@pytest.mark.parametrize("what", FORBIDDEN)
def test_source_is_free_of(sources, what: str) -> None:
    found = [
        f"{source.at(number)}: {line.strip()}"
        for source in sources
        for number, line in enumerate(source.text.splitlines(), 1)
        if re.search(FORBIDDEN[what], line)
    ]
    assert not found, "\n".join(found)


def test_nothing_is_printed(sources) -> None:
    found = [
        source.at(node.lineno)
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not found, "\n".join(found)


def test_every_except_names_its_error(sources) -> None:
    found = [
        source.at(node.lineno)
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not found, "\n".join(found)


def public_without_docstring(sources) -> list[str]:
    """Public functions, classes and methods that say nothing."""
    found = []
    for source in sources:
        scopes = [source.tree, *(n for n in source.tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_")]
        for scope in scopes:
            for node in scope.body:
                if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                    continue
                if ast.get_docstring(node) is None:
                    found.append(f"{source.at(node.lineno)}: {node.name}")
    return found


def test_public_things_have_docstrings(sources) -> None:
    found = [source.at(1) for source in sources if ast.get_docstring(source.tree) is None]
    found += public_without_docstring(sources)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("what", PRIVATE)
def test_no_file_names(what: str) -> None:
    kinds = {".py", ".md", ".toml", ".txt", ".yml", ".cff", ".html", ".css", ".js"}
    folders = ("src", "tests", "docs", "benchmarks", ".ci")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in kinds]
    files += [path for path in ROOT.iterdir() if path.suffix in kinds] + [ROOT / "Makefile", ROOT / ".ci" / "run"]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(PRIVATE[what], line)
    ]
    assert not found, "\n".join(found)

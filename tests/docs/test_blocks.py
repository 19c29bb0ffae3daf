"""Every fenced block of README and docs runs.

A page is a story: its blocks run in order, in one new working directory. ``python`` blocks share one namespace;
``bash`` blocks run in one shell each. There `diorama` is the installed program on the pages of `INSTALLED`, and this
process elsewhere (`commands.py`), which need not load and compile everything anew for each command. ``json`` and
``toml`` blocks must parse; ``text`` blocks are output. No other language is allowed, so no block goes unchecked by
accident.

A block that cannot run here stands behind a comment that says why: ``<!-- not run: the reason -->``.
"""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
from typing import Any

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from commands import shell  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "BENCHMARKS.md", ROOT / "LOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+?) -->\n+)?"
    r"^(?P<indent>[ ]*)(?P<ticks>`{3,}|~{3,})[ ]*(?P<language>[^\s`]*)[^\n]*\n(?P<body>.*?)^(?P=indent)(?P=ticks)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
OUTPUT = "text"
INSTALLED = {ROOT / "docs" / page for page in ("start.md", "resume.md")}
SECONDS = 240


@dataclasses.dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the line of the page where the text starts, why it is not run."""

    language: str
    text: str
    line: int
    reason: str | None


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for match in FENCE.finditer(page):
        indent = len(match["indent"])
        text = "".join(line[indent:] if line.strip() else line for line in match["body"].splitlines(keepends=True))
        line = page.count("\n", 0, match.start("body")) + 1
        found.append(Block(match["language"], text, line, match["reason"]))
    return found


def run_python(block: Block, page: pathlib.Path, namespace: dict[str, Any]) -> None:
    """Run a block in the page's namespace; a traceback names the page and the line."""
    exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)


def run_bash(block: Block, page: pathlib.Path, namespace: dict[str, Any]) -> None:
    """Run a block in a shell; the first command that fails fails the block."""
    if page in INSTALLED or "diorama" not in block.text:
        path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
        command, environment = ["bash", "-euo", "pipefail", "-c", block.text], {**os.environ, "PATH": path}
        result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=SECONDS)
        code, output = result.returncode, f"{result.stdout}\n{result.stderr}"
    else:
        with tempfile.TemporaryDirectory() as folder:
            code, output = shell(block.text, pathlib.Path(folder) / "program", SECONDS)
    assert code == 0, f"{page.name}:{block.line}\n{block.text}\n{output}"


RUN = {
    "python": run_python,
    "bash": run_bash,
    "json": lambda block, page, namespace: json.loads(block.text),
    "toml": lambda block, page, namespace: tomllib.loads(block.text),
    OUTPUT: lambda block, page, namespace: None,
}


def work(page: pathlib.Path) -> int:
    """How many characters of a page are run: pages with much to do go first, so that workers end together."""
    return sum(
        len(block.text) for block in blocks(page.read_text()) if block.reason is None and block.language != OUTPUT
    )


PAGES.sort(key=work, reverse=True)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_block_runs(page: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # The rest of the tests register nothing; a page shows what its reader sees.
    monkeypatch.delenv("DIORAMA_REGISTRY", raising=False)
    namespace: dict[str, Any] = {"__name__": f"page_{page.stem}"}
    for block in blocks(page.read_text()):
        where = f"{page.relative_to(ROOT)}:{block.line - 1}"
        assert block.language in RUN, f"{where}: a block says one of {sorted(RUN)}, this one says {block.language!r}"
        if block.reason is None:
            RUN[block.language](block, page, namespace)


def test_no_fence_escapes_the_reader() -> None:
    """Every line that opens or closes a fence belongs to a block that was found."""
    for page in PAGES:
        text = page.read_text()
        outside = FENCE.sub("", text)
        assert not re.search(r"^\s*(```|~~~)", outside, re.MULTILINE), page


EXAMPLE = """
```python
value = 3
```

- in a list:

    ```python
    assert value == 3
    made = True
    ```

<!-- not run: it would take a day -->
```bash
exit 1
```
"""


def test_the_reader_finds_indented_blocks_and_reasons() -> None:
    found = blocks(EXAMPLE)
    assert [block.language for block in found] == ["python", "python", "bash"]
    assert found[1].text == "assert value == 3\nmade = True\n"
    assert [block.reason for block in found] == [None, None, "it would take a day"]
    assert EXAMPLE.splitlines()[found[1].line - 1].strip() == "assert value == 3"


def test_a_failing_block_fails() -> None:
    page = pathlib.Path("page.md")
    with pytest.raises(ZeroDivisionError):
        run_python(Block("python", "1 / 0\n", 1, None), page, {})
    with pytest.raises(AssertionError):
        run_bash(Block("bash", "false\ntrue\n", 1, None), page, {})

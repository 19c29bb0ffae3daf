"""A page of text, tables and figures, written as one self-contained HTML file and as Markdown."""

import base64
import html
import io
import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --soft: #6b6b76; --paper: #fdfdfc; --line: #dcdce2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececf1; --soft: #a0a0ad; --paper: #17171b; --line: #35353d; }
}
body { margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 54rem; background: var(--paper); color: var(--ink);
       font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .5rem; }
p.lead { font-size: 1.1rem; font-weight: 600; margin-top: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem 1.1rem .35rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; vertical-align: bottom; } td { vertical-align: top; }
td.number { white-space: nowrap; }
figure { margin: 1.2rem 0; } figure img { max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
figcaption, footer { color: var(--soft); font-size: .9rem; } footer { margin-top: 3rem; }
code { background: color-mix(in srgb, var(--ink) 8%, transparent); padding: .1em .35em; border-radius: 4px; }
"""
_NUMBER = re.compile(r"-?\d[\d.,e+-]*( \[.*\])?")
_FIGURE_STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "svg.hashsalt": "diorama",
    "axes.prop_cycle": "cycler('color', ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9'])",
}


def new_figure(width: float = 7.0, height: float = 3.2, **subplots: object) -> tuple[Figure, object]:
    """A Matplotlib figure [inch] and its axes in the house style, free of global state."""
    with rc_context(_FIGURE_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(**subplots)


class Page:
    """A page that grows block by block; `write` saves ``name.html``, ``name.md`` and the figures beside them.

    ``lead`` is the first line that a reader sees: the result.
    """

    def __init__(self, title: str, lead: str) -> None:
        self.title = title
        self._html = [f"<h1>{html.escape(title)}</h1>", f'<p class="lead">{html.escape(lead)}</p>']
        self._markdown = [f"# {title}", lead]
        self._figures: list[tuple[str, bytes]] = []

    def heading(self, text: str) -> None:
        """A section's heading."""
        self.block(f"<h2>{html.escape(text)}</h2>", f"## {text}")

    def text(self, text: str) -> None:
        """A paragraph; text between backticks is set as code."""
        self.block(f"<p>{_marked(text)}</p>", text)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table of strings; text between backticks is set as code. Numbers and their intervals do not wrap."""
        head = "".join(f"<th>{_marked(cell)}</th>" for cell in header)
        body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
        written = [[_markdown_cell(cell) for cell in row] for row in (header, *rows)]
        lines = ["| " + " | ".join(line) + " |" for line in (written[0], ["---"] * len(header), *written[1:])]
        self.block(f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>', "\n".join(lines))

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """A figure, embedded in the HTML and saved beside the Markdown as ``figures/name.png``."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
        self._figures.append((name, buffer.getvalue()))
        data = base64.b64encode(buffer.getvalue()).decode()
        text = html.escape(caption)
        image = f'<img alt="{text}" src="data:image/png;base64,{data}">'
        self.block(
            f"<figure>{image}<figcaption>{text}</figcaption></figure>", f"![{caption}](figures/{name}.png)\n\n{caption}"
        )

    def write(self, folder: Path, name: str = "report") -> Path:
        """Write the files into ``folder`` and return the HTML's path. Equal input gives equal bytes."""
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for figure, data in self._figures:
            (folder / "figures" / f"{figure}.png").write_bytes(data)
        (folder / f"{name}.md").write_text("\n\n".join(self._markdown) + "\n", encoding="utf-8")
        path = folder / f"{name}.html"
        path.write_text(self._document(), encoding="utf-8")
        return path

    def block(self, as_html: str, as_markdown: str) -> None:
        """Add a block in both forms; the HTML is taken as it is, so that what comes from outside must be escaped."""
        self._html.append(as_html)
        self._markdown.append(as_markdown)

    def _document(self) -> str:
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        title = f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style>"
        body = "\n".join(self._html)
        return f'<!doctype html>\n<html lang="en"><head>{head}{title}</head>\n<body>\n{body}\n</body></html>\n'


def _marked(text: str) -> str:
    """Text as HTML, with what stands between backticks as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _cell(text: str) -> str:
    kind = ' class="number"' if _NUMBER.fullmatch(text) else ""
    return f"<td{kind}>{_marked(text)}</td>"


def _markdown_cell(text: str) -> str:
    """Without what would end the cell or begin a tag."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")

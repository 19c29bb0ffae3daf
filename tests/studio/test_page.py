"""Pages: equal input gives equal bytes, hostile names stay text, light and dark are there."""

import re

import numpy as np
import pytest

from diorama.studio.loop_report import LADDER, footer, ladder_section, score_figure
from diorama.studio.page import Page, new_figure
from diorama.studio.scores import score_header, score_rows

HOSTILE = """<script>alert("x")</script> & '|' `</code><b>`"""


def page() -> Page:
    made = Page("A title", "The result.")
    made.heading("Part")
    made.text("Some `code` here.")
    made.table(["name", "score"], [["random", "0.250 [0.100, 0.400]"]])
    figure, axis = new_figure()
    axis.plot([0, 1, 2], np.array([0.0, 1.0, 0.5]), label="curve")
    axis.legend()
    made.figure("curve", figure, "A curve.")
    return made


def test_equal_input_gives_equal_bytes(tmp_path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        page().write(tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert [str(path) for path in files] == ["figures/curve.png", "report.html", "report.md"]
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in files)


def test_the_picture_is_inside_the_page(tmp_path) -> None:
    text = page().write(tmp_path).read_text()
    assert re.findall(r'src="([^"]{0,22})', text) == ["data:image/png;base64,"]
    assert "http" not in text and "<script" not in text


def test_light_and_dark_and_narrow(tmp_path) -> None:
    text = page().write(tmp_path).read_text()
    assert "color-scheme: light dark" in text and "@media (prefers-color-scheme: dark)" in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert '<div class="wide"><table>' in text and ".wide { overflow-x: auto; }" in text


def test_hostile_names_stay_text(tmp_path) -> None:
    made = Page(HOSTILE, HOSTILE)
    made.heading(HOSTILE)
    made.text(HOSTILE)
    made.table([HOSTILE], [[HOSTILE]])
    figure, _ = new_figure(2.0, 2.0)
    made.figure("f", figure, HOSTILE + '"')
    text = made.write(tmp_path).read_text()
    assert "<script" not in text and "<b>" not in text and 'alert("' not in text
    assert text.count("&lt;script&gt;") == 9
    assert text.count("<code>&lt;/code&gt;&lt;b&gt;</code>") == 3


def test_markdown_cells_cannot_end_early(tmp_path) -> None:
    made = Page("t", "l")
    made.table(["a|b", "c"], [["x | y", "two\nlines"], ["<img src=x>", "back\\|slash"]])
    made.write(tmp_path)
    lines = (tmp_path / "report.md").read_text().splitlines()[4:]
    assert lines == [
        "| a\\|b | c |",
        "| --- | --- |",
        "| x \\| y | two lines |",
        "| &lt;img src=x> | back\\\\\\|slash |",
    ]


def test_numbers_do_not_wrap_and_words_do(tmp_path) -> None:
    made = Page("t", "l")
    made.table(["a"], [["-0.500 [-1.000, 0.000]"], ["50"], ["2 CPU cores, x86_64"], ["3 of 4"]])
    cells = re.findall(r"<td( class=\"number\")?>", made.write(tmp_path).read_text())
    assert [bool(kind) for kind in cells] == [True, True, False, False]


def test_backticks_are_code(tmp_path) -> None:
    made = Page("t", "l")
    made.text("Run `diorama --help` now.")
    text = made.write(tmp_path).read_text()
    assert "<p>Run <code>diorama --help</code> now.</p>" in text
    assert "Run `diorama --help` now." in (tmp_path / "report.md").read_text()


RECORD = {
    "policy": "ours",
    "seeds": [1, 2, 3],
    "scores": {"return": [1.0, 2.0, 3.0]},
    "estimates": {"return": {"value": 2.0, "low": 1.0, "high": 3.0}},
}


def test_scores_as_rows_and_as_a_figure() -> None:
    assert score_header([RECORD]) == ["policy", "episodes", "return"]
    assert score_rows([RECORD]) == [["ours", "3", "2.000 [1.000, 3.000]"]]
    axis = score_figure([RECORD, RECORD], "return").axes[0]
    assert axis.get_xlabel() == "return (higher is better)"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["ours", "ours"]


def test_the_ladder_says_what_was_not_examined(tmp_path) -> None:
    made = Page("t", "l")
    ladder_section(made, {"L1": "below"})
    made.write(tmp_path)
    rows = [line for line in (tmp_path / "report.md").read_text().splitlines() if line.startswith("| L")]
    assert len(rows) == len(LADDER) == 8
    assert rows[1].endswith("| below |") and all(row.endswith("| not examined here |") for row in rows[2:])


@pytest.mark.parametrize(("seconds", "said"), [({}, False), ({"fit": 3.2, "train": 10.0}, True)])
def test_where_it_comes_from(tmp_path, seconds, said) -> None:
    made = Page("t", "l")
    footer(made, "diorama run push-t", 3, seconds)
    text = made.write(tmp_path).read_text()
    assert "<code>diorama run push-t</code>" in text and "jax" in text
    assert ("fit 3 s, train 10 s" in text) is said and ("wall clock" in text) is said

"""A blinded sheet as CSV, HTML and Markdown, and the outcomes read back from the CSV."""

import csv
import html
import io
from collections.abc import Mapping

from diorama.core.errors import DataError
from diorama.evaluate.budget.blinding import Row, Sheet

COLUMNS = ("sheet", "order", "trial", "policy", "start", "outcome", "note")
YES, NO = ("1", "yes", "y", "success", "true"), ("0", "no", "n", "failure", "fail", "false")
_LENGTH = 12
_LIMIT = 8 * 2**20
_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; color: #000; background: #fff; }
h1 { font-size: 1.3rem; margin: 0 0 .4rem; } p { margin: .3rem 0; max-width: 48rem; }
table { border-collapse: collapse; margin-top: 1rem; width: 100%; }
th, td { border: 1px solid #888; padding: .35rem .6rem; text-align: left; }
td.blank { width: 6rem; } td.note { width: 40%; } tr { break-inside: avoid; } thead { display: table-header-group; }
code { font-size: 1.05em; letter-spacing: .04em; } footer { margin-top: 1rem; font-size: .85rem; color: #444; }
"""
RULES = (
    "Do the trials in this order. Set up the start, load the policy with this letter, run it to its end.",
    "Write 1 for a success and 0 for a failure by the written success criterion, before the next trial begins.",
    "A trial that was disturbed from outside is repeated and noted; it is never left out. Nothing else is changed.",
)


def sheet_csv(sheet: Sheet, outcomes: Mapping[str, int] | None = None) -> str:
    """The sheet for a spreadsheet; ``outcomes`` by trial where there are some already."""
    known, text = outcomes or {}, io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sheet.rows:
        outcome = str(known[row.trial]) if row.trial in known else ""
        writer.writerow([sheet.digest[:_LENGTH], row.order, row.trial, row.policy, row.start, outcome, ""])
    return text.getvalue()


def sheet_html(sheet: Sheet, title: str) -> str:
    """The sheet as one page to print."""
    body = "".join(
        f"<tr><td>{row.order}</td><td><code>{row.trial}</code></td><td><code>{row.policy}</code></td>"
        f'<td>{row.start}</td><td class="blank"></td><td class="note"></td></tr>\n'
        for row in sheet.rows
    )
    rules = "".join(f"<p>{rule}</p>" for rule in RULES)
    head = "<tr><th>order</th><th>trial</th><th>policy</th><th>start</th><th>outcome</th><th>note</th></tr>"
    foot = f"Sheet {sheet.digest[:_LENGTH]}; the key is sealed by {sheet.commitment}."
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>{rules}"
        f"<table><thead>{head}</thead><tbody>\n{body}</tbody></table><footer>{foot}</footer></body></html>\n"
    )


def sheet_markdown(sheet: Sheet, title: str) -> str:
    """The sheet as a table in Markdown."""
    lines = [f"| {r.order} | `{r.trial}` | `{r.policy}` | {r.start} | | |" for r in sheet.rows]
    head = ["| order | trial | policy | start | outcome | note |", "|---|---|---|---|---|---|"]
    foot = f"Sheet {sheet.digest[:_LENGTH]}; the key is sealed by {sheet.commitment}."
    return "\n\n".join([f"# {title}", "\n".join(RULES), "\n".join([*head, *lines]), foot]) + "\n"


def read_outcomes(text: str, sheet: Sheet, recorded: Mapping[str, int] | None = None) -> dict[str, int]:
    """The outcomes by trial that a filled-in CSV adds to those ``recorded``; rows without an outcome stay open.

    Raises `DataError` for another sheet, a changed line, a trial that stands twice or is recorded with another outcome,
    and an outcome that is neither success nor failure.
    """
    if len(text) > _LIMIT:
        raise DataError("This file is larger than any sheet; give the CSV that was filled in.")
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if missing := [name for name in COLUMNS[:6] if name not in (reader.fieldnames or ())]:
        raise DataError(f"The sheet lacks the columns {missing}; give the CSV that was made, with outcomes filled in.")
    rows = {row.trial: row for row in sheet.rows}
    found: dict[str, int] = {}
    seen: set[str] = set()
    for line in reader:
        trial = _checked(line, rows, sheet)
        if trial in seen:
            raise DataError(f"Trial {trial} stands twice on this sheet; one trial has one outcome.")
        seen.add(trial)
        outcome = _outcome(line)
        if outcome is not None:
            found[trial] = outcome
    return _new(found, recorded or {})


def _checked(line: Mapping[str, str | None], rows: Mapping[str, Row], sheet: Sheet) -> str:
    """The trial of a line, which must be as it was handed out."""
    said = {name: (line[name] or "").strip() for name in COLUMNS[:5]}
    if said["sheet"] != sheet.digest[:_LENGTH]:
        raise DataError(f"A line belongs to sheet {said['sheet'] or '(none)'}, not to {sheet.digest[:_LENGTH]}.")
    row = rows.get(said["trial"])
    if row is None:
        raise DataError(f"Trial {said['trial'] or '(none)'} is not on this sheet; correct its code.")
    for name in ("order", "policy", "start"):
        if said[name] != str(getattr(row, name)):
            raise DataError(
                f"Trial {row.trial} was handed out with {name} {getattr(row, name)} and came back with {said[name]!r}; "
                "a changed line is not recorded. Restore it, and repeat the trial if it was done otherwise."
            )
    return row.trial


def _outcome(line: Mapping[str, str | None]) -> int | None:
    said = (line["outcome"] or "").strip().lower()
    if said in ("", *YES, *NO):
        return None if not said else int(said in YES)
    raise DataError(f"Trial {line['trial']} has the outcome {said[:40]!r}; write 1 for success or 0 for failure.")


def _new(found: Mapping[str, int], recorded: Mapping[str, int]) -> dict[str, int]:
    if changed := [trial for trial, outcome in found.items() if recorded.get(trial, outcome) != outcome]:
        raise DataError(
            f"Trial {changed[0]} was recorded with the outcome {recorded[changed[0]]} and comes back with "
            f"{found[changed[0]]}; an outcome that was recorded is not changed."
        )
    return {trial: outcome for trial, outcome in found.items() if trial not in recorded}

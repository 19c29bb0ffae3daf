"""The tables of a study as Markdown: pure functions of its JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

_SUCCESS, _LEFT = "success", "cost left [m]"


def tables(found: Mapping[str, Any]) -> str:
    """All of them, with what made them."""
    seeds = ", ".join(f"{name} from {first}" for name, first in found["seeds"].items())
    total = sum(found["cpu_s"].values())
    head = f"size {found['size']}, commit {', '.join(found['commits'])}, seeds: {seeds}; {total:.0f} CPU s in all\n"
    parts = [
        head,
        *(_horizon(name, one) for name, one in found["horizon"].items()),
        _centimetres(found["cm"]),
        *(_factors(name, rows) for name, rows in found["factors"].items()),
        _contact(found["contact"]),
        _policies(found["policies"]),
        _gains(found["policies"]),
    ]
    return "\n".join(parts)


def _horizon(name: str, one: Mapping[str, Any]) -> str:
    header = [f"{name}: error [% of the standard deviation]", *(f"{step} steps" for step in one["steps"])]
    rows = [[row, *(_number(cell, 0) for cell in cells)] for row, cells in one["rows"].items()]
    shares = ", ".join(f"{part} {value:.0f} %" for part, value in one["by_name"].items())
    says = f"{one['episodes']} episodes; it {one['actions']}; calibration: {_words(one['calibration'])}"
    return _table(header, rows) + f"\n{says}; at the last step: {shares}.\n"


def _words(verdict: Any) -> str:
    if verdict is None:
        return "it always imagines the same"
    return verdict if isinstance(verdict, str) else ", ".join(str(word) for word in verdict)


def _centimetres(by_world: Mapping[str, Any]) -> str:
    steps = len(next(iter(by_world.values()))["model"])
    shown = sorted({1, min(3, steps), min(5, steps), steps})
    header = ["mean distance of the vertices [cm]", *(f"{step} steps" for step in shown), "episodes"]
    rows = [
        [f"{world}: {kind}", *(_number(cells[step - 1], 2) for step in shown), str(cells[0][3])]
        for world, one in by_world.items()
        for kind, cells in one.items()
    ]
    return _table(header, rows)


def _factors(world: str, rows: Sequence[Mapping[str, Any]]) -> str:
    header = [
        f"{world}: factor",
        "range",
        "episodes",
        "error [cm]",
        "the same as trained",
        "difference",
        "copying",
        "what the factor does",
    ]
    cells = [
        [
            row["factor"],
            row["range"],
            str(row["model"][3] if row["model"] else 0),
            *(
                _number(row[name], 2)
                for name in ("model", "as trained", "difference", "copying", "what the factor does")
            ),
        ]
        for row in rows
    ]
    return _table(header, cells)


def _contact(rows: Sequence[Mapping[str, Any]]) -> str:
    header = ["episodes in which", "of the", "episodes", "error [cm]", "copying", "model - copying"]
    cells = [
        [
            row["episodes"],
            row["what"],
            str(row["model"][3] if row["model"] else 0),
            *(_number(row[name], 2) for name in ("model", "copying", "difference")),
        ]
        for row in rows
    ]
    return _table(header, cells)


def _policies(rows: Sequence[Mapping[str, Any]]) -> str:
    header = [
        "policy",
        "in",
        "starts",
        "success",
        "cost left [m]",
        "success: world - simulator",
        "cost left: world - simulator [m]",
        "trust < 0.5",
    ]
    cells = [
        [
            row["policy"],
            row["world"],
            str(row["n"]),
            _estimate(row[_SUCCESS], 2),
            _estimate(row[_LEFT], 3),
            _estimate(row["gap"] and row["gap"][_SUCCESS], 2),
            _estimate(row["gap"] and row["gap"][_LEFT], 3),
            "" if row["low trust"] is None else str(row["low trust"]),
        ]
        for row in rows
    ]
    return _table(header, cells)


def _gains(rows: Sequence[Mapping[str, Any]]) -> str:
    """In the simulator, over random grippers."""
    header = ["policy, in the simulator", "success over random", "cost left over random [m]", "evidence level"]
    cells = [
        [
            row["policy"],
            _estimate(row["over random"][_SUCCESS], 2),
            _estimate(row["over random"][_LEFT], 3),
            row["level"],
        ]
        for row in rows
        if row["over random"] is not None and row["policy"] != "random"
    ]
    return _table(header, cells)


def _number(cell: Sequence[float] | None, digits: int) -> str:
    if cell is None:
        return "too few"
    value, low, high = cell[:3]
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _estimate(one: Mapping[str, Any] | None, digits: int) -> str:
    return "" if one is None else _number((one["value"], one["low"], one["high"]), digits)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)

"""RSSM world-model updates and imagination: ours and its peers, in turns, on one core and on two.

Run: ``python benchmarks/rssm/run.py --r2dreamer DIR --dreamerv3 DIR`` (see README.md; each may also be named by the
environment variable ``DIORAMA_R2DREAMER`` or ``DIORAMA_DREAMERV3``, and one that is not named is left out).
``--quick`` is one core, the smallest size and one round: it shows that everything works.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from turns import Side, asked_of, in_turns, parser, processor  # noqa: E402

from diorama.models.rssm.config import RSSM_SIZES  # noqa: E402

ROWS = [
    *({"job": job, "size": size, "camera": False} for size in ("nano", "xs", "s") for job in ("update", "imagine")),
    {"job": "update", "size": "s", "camera": True},
]
HEAD = "| work | size | sees | cores | ours is faster by | ms ours | side | ms | CPU ms ours | CPU ms | parameters |\n"


def sides(asked: argparse.Namespace, cores: list[int], logs: Path) -> list[Side]:
    """Our process, and one for each variant of a peer whose folder is known."""
    path = {"PYTHONPATH": f"{HERE.parent}:{HERE}:{ROOT / 'src'}"}
    found = [Side("ours", [sys.executable, str(HERE / "ours.py")], cores, logs / "ours.log", path)]
    variants = {"r2dreamer": ["eager", "compiled"], "dreamerv3": ["as published", "strided"]}
    for peer, names in variants.items():
        folder = getattr(asked, peer)
        for name in names if folder else []:
            if name in asked.without:
                continue
            command = [str(asked.python), str(HERE / f"peer_{peer}.py"), folder, name]
            path = {"PYTHONPATH": f"{HERE.parent}:{HERE}"}
            found.append(Side(f"{peer}, {name}", command, cores, logs / f"{peer}-{name}.log", path))
    return found


def chosen(found: list[Side], row: dict[str, Any]) -> list[Side]:
    """The sides that differ on this row: strides matter to pictures only."""
    return [side for side in found if row["camera"] or not side.name.endswith("strided")]


def table(row: dict[str, Any], cores: list[int], measured: list[dict[str, Any]]) -> str:
    """The lines of one row of work, a line for each peer, the ratio of wall times first."""
    ours, lines = measured[0], []
    for peer in measured[1:]:
        sees = "64 px" if row["camera"] else "vector"
        ratio = peer["wall_ms"] / ours["wall_ms"]
        times = f"{ours['wall_ms']:.1f} | {peer['side']} | {peer['wall_ms']:.1f} | {ours['cpu_ms']:.1f}"
        sizes = f"{ours['parameters']:,} / {peer['parameters']:,}" if peer["parameters"] else "not counted"
        lines.append(
            f"| {row['job']} | {row['size']} | {sees} | {len(cores)} | **{ratio:.2f}** | {times} | "
            f"{peer['cpu_ms']:.1f} | {sizes} |\n"
        )
    return "".join(lines)


def arguments() -> argparse.Namespace:
    """What was asked for. Ends with a sentence where the peers' Python is missing."""
    asking = parser(__doc__.splitlines()[0])
    for peer in ("r2dreamer", "dreamerv3"):
        asking.add_argument(f"--{peer}", default=os.environ.get(f"DIORAMA_{peer.upper()}"), help="folder of its source")
    return asked_of(asking, "rssm/make_peer.sh")


def main() -> None:
    """Measure every row with every side, write the table, and the figures as JSON."""
    asked = arguments()
    rows, rounds, counts = (ROWS[:2], 1, [1]) if asked.quick else (ROWS, asked.rounds, asked.cores)
    record: dict[str, Any] = {"machine": processor(), "rounds": rounds, "rows": []}
    sys.stdout.write(HEAD + "|---|---|---|---|---|---|---|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            cores = sorted(os.sched_getaffinity(0))[-count:]
            found = sides(asked, cores, Path(folder))
            for row in rows:
                question = row | {"widths": list(RSSM_SIZES[row["size"]])}
                measured = in_turns(chosen(found, row), question, rounds)
                sys.stdout.write(table(row, cores, measured))
                sys.stdout.flush()
                record["rows"].append(row | {"cores": count, "sides": measured})
            for side in found:
                side.close()
    if asked.out:
        asked.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

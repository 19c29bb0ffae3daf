"""EDM draws and updates: our denoisers, and DIAMOND's U-Net and an equal perceptron in torch, in turns.

Run: ``python benchmarks/diffusion/run.py --diamond DIR`` (see README.md; or name the folder by the environment variable
``DIORAMA_DIAMOND``). ``--quick`` is one core, the states and one round: it shows that everything works.
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

JOBS = ("sample", "train")
STATES = {"side": 0, "batch": 512, "network": "mlp", "size": "s"}
PIXELS_32 = {"side": 32, "batch": 16, "network": "unet", "size": "s", "channels": [32] * 4, "depths": [1, 1, 1, 2]}
PIXELS_64 = {"side": 64, "batch": 8, "network": "unet", "size": "m", "channels": [64] * 4, "depths": [1, 1, 1, 2]}
"""Depths with which DIAMOND's U-Net has the parameters of ours within 5 % at these channels."""
ROWS = [{"job": job} | row for row in (STATES, PIXELS_32, PIXELS_64) for job in JOBS]
HEAD = "| work | sees | batch | cores | torch / ours | ms ours | side | ms | CPU ms ours | CPU ms | parameters |\n"
TORCH = ("eager", "channels-last", "compiled")


def sides(asked: argparse.Namespace, cores: list[int], logs: Path) -> list[Side]:
    """Our process, the same with rounded weights, and one for each variant of torch."""
    path = {"PYTHONPATH": f"{HERE.parent}:{HERE}:{ROOT / 'src'}"}
    found = []
    for name, variant in (("ours", "plain"), ("ours, bfloat16 weights", "rounded")):
        command = [sys.executable, str(HERE / "ours.py"), variant]
        found.append(Side(name, command, cores, logs / f"ours-{variant}.log", path))
    for variant in TORCH:
        command = [str(asked.python), str(HERE / "peer_torch.py"), asked.diamond, variant]
        path = {"PYTHONPATH": f"{HERE.parent}:{HERE}"}
        found.append(Side(f"torch, {variant}", command, cores, logs / f"torch-{variant}.log", path))
    return [side for side in found if not any(side.name.endswith(name) for name in asked.without)]


def chosen(found: list[Side], row: dict[str, Any]) -> list[Side]:
    """The sides that differ on this row: memory formats matter to pictures, rounded weights to draws of states."""
    picture, rounded = bool(row["side"]), not row["side"] and row["job"] == "sample"
    without = [*(() if picture else ("channels-last",)), *(() if rounded else ("bfloat16 weights",))]
    return [side for side in found if not any(side.name.endswith(name) for name in without)]


def table(row: dict[str, Any], cores: list[int], measured: list[dict[str, Any]]) -> str:
    """The lines of one row of work, a line for each other side, the ratio of wall times first."""
    ours, lines = measured[0], []
    for other in measured[1:]:
        sees = f"{row['side']} px" if row["side"] else "state"
        ratio = other["wall_ms"] / ours["wall_ms"]
        times = f"{ours['wall_ms']:.1f} | {other['side']} | {other['wall_ms']:.1f} | {ours['cpu_ms']:.1f}"
        sizes = f"{ours['parameters']:,} / {other['parameters']:,}"
        lines.append(
            f"| {row['job']} | {sees} | {row['batch']} | {len(cores)} | **{ratio:.2f}** | {times} | "
            f"{other['cpu_ms']:.1f} | {sizes} |\n"
        )
    return "".join(lines)


def arguments() -> argparse.Namespace:
    """What was asked for. Ends with a sentence where the peers' Python or DIAMOND's folder is missing."""
    asking = parser(__doc__.splitlines()[0])
    asking.add_argument("--diamond", default=os.environ.get("DIORAMA_DIAMOND"), help="folder of eloialonso/diamond")
    asking.add_argument("--sees", type=int, nargs="+", default=[0, 32, 64], help="sides in pixels; 0 for states")
    asked = asked_of(asking, "loaders/make_peer.sh")
    if not asked.diamond:
        raise SystemExit("Name DIAMOND's folder with --diamond; README.md says how to get it.")
    if asked.quick:
        asked.cores, asked.rounds, asked.sees = [1], 1, [0]
    return asked


def main() -> None:
    """Measure every row with every side, write the table, and the figures as JSON."""
    asked = arguments()
    record: dict[str, Any] = {"machine": processor(), "rounds": asked.rounds, "rows": []}
    sys.stdout.write(HEAD + "|---|---|---|---|---|---|---|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as folder:
        for count in asked.cores:
            cores = sorted(os.sched_getaffinity(0))[-count:]
            found = sides(asked, cores, Path(folder))
            for row in (row for row in ROWS if row["side"] in asked.sees):
                measured = in_turns(chosen(found, row), row, asked.rounds)
                sys.stdout.write(table(row, cores, measured))
                sys.stdout.flush()
                record["rows"].append(row | {"cores": count, "sides": measured})
            for side in found:
                side.close()
    if asked.out:
        asked.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

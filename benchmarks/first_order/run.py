"""One update of first-order learning through a world: ours and its peers, in turns, on one core and on two.

Run: ``python benchmarks/first_order/run.py --pwm DIR`` (see README.md; the folder may also be named by the environment
variable ``DIORAMA_PWM``; without it only the DMO recipe is a peer). The critics' part is what an update with critics
takes longer than one of the actor alone. ``--quick`` is one core, 64 worlds and one round: it shows that all works.
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

PARTS = ("actor", "actor and critic")
WORLDS = (64, 256)
HEAD = (
    "| like | worlds | cores | part | ours is faster by | ms ours | side | ms | CPU ms ours | CPU ms | parameters |\n"
)


def sides(asked: argparse.Namespace, like: str, cores: list[int], logs: Path) -> list[Side]:
    """Our process, and those of one kind of peer."""
    path = f"{HERE.parent}:{HERE}"
    ours = [sys.executable, str(HERE / "ours.py")]
    found = [Side("ours", ours, cores, logs / "ours.log", {"PYTHONPATH": f"{path}:{ROOT / 'src'}"})]
    peers = {"dmo": [["eager"], ["compiled"]], "pwm": [[asked.pwm]]}[like]
    for arguments in peers:
        name = "PWM" if like == "pwm" else f"DMO recipe in torch, {arguments[0]}"
        if arguments[0] in asked.without:
            continue
        command = [str(asked.python), str(HERE / f"peer_{like}.py"), *arguments]
        found.append(Side(name, command, cores, logs / f"{like}-{len(found)}.log", {"PYTHONPATH": path}))
    return found


def table(like: str, worlds: int, cores: list[int], measured: dict[str, list[dict[str, Any]]]) -> str:
    """The lines for one number of worlds: the actor, the critics (the difference) and both."""
    alone, both = ({row["side"]: row for row in measured[part]} for part in PARTS)
    ours, *peers = (name for name in both if name in alone)
    lines = []
    for peer in peers:
        for part in ("actor", "critic", "actor and critic"):
            wall, cpu = (
                [_of(part, alone[side][clock], both[side][clock]) for side in (ours, peer)]
                for clock in ("wall_ms", "cpu_ms")
            )
            ratio = f"{wall[1] / wall[0]:.2f}" if min(wall) > 0 else "not measurable"
            sizes = f"{both[ours]['parameters']:,} / {both[peer]['parameters']:,}"
            lines.append(
                f"| {like} | {worlds} | {len(cores)} | {part} | **{ratio}** | {wall[0]:.1f} | {peer} | "
                f"{wall[1]:.1f} | {cpu[0]:.1f} | {cpu[1]:.1f} | {sizes} |\n"
            )
    return "".join(lines)


def _of(part: str, alone: float, both: float) -> float:
    return {"actor": alone, "critic": both - alone, "actor and critic": both}[part]


def arguments() -> argparse.Namespace:
    """What was asked for. Ends with a sentence where the peers' Python is missing."""
    asking = parser(__doc__.splitlines()[0])
    asking.add_argument("--pwm", default=os.environ.get("DIORAMA_PWM"), help="folder of PWM's source")
    return asked_of(asking, "rssm/make_peer.sh")


def main() -> None:
    """Measure every row with every side, write the table, and the figures as JSON."""
    asked = arguments()
    counts, rounds, sizes = ([1], 1, WORLDS[:1]) if asked.quick else (asked.cores, asked.rounds, WORLDS)
    record: dict[str, Any] = {"machine": processor(), "rounds": rounds, "rows": []}
    sys.stdout.write(HEAD + "|---|---|---|---|---|---|---|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            cores = sorted(os.sched_getaffinity(0))[-count:]
            for like in ("dmo", "pwm") if asked.pwm else ("dmo",):
                found = sides(asked, like, cores, Path(folder))
                for worlds in sizes:
                    question = {"like": like, "worlds": worlds}
                    measured = {part: in_turns(found, question | {"part": part}, rounds) for part in PARTS}
                    sys.stdout.write(table(like, worlds, cores, measured))
                    sys.stdout.flush()
                    record["rows"].append(question | {"cores": count, "sides": measured})
                for side in found:
                    side.close()
    if asked.out:
        asked.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Writers killed with SIGKILL at random points, and what is left: counts of losses, half-registrations and damage.

python benchmarks/registry/faults.py [--kills 200] [--seed 0] [--database URL]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

from diorama.registry.check import check_place
from diorama.registry.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
WRITER = ROOT / "tests" / "registry" / "writer.py"
TOGETHER = 4
"""Writers that run at once; one of them is killed at a time."""


def start(place: dict[str, str], number: int) -> subprocess.Popen:
    """A writer that registers versions until it is killed."""
    command = [sys.executable, str(WRITER), json.dumps(place), str(number), "1000000"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def kill(writer: subprocess.Popen, chance: random.Random) -> list[list[str]]:
    """Kill a writer some versions and some milliseconds from now; the ids and digests it said were registered."""
    lines = [writer.stdout.readline() for _ in range(2 + chance.randrange(4))]
    try:
        writer.wait(chance.uniform(0.0, 0.08))
    except subprocess.TimeoutExpired:
        writer.kill()
    out, err = writer.communicate()
    if writer.returncode != -9:
        raise RuntimeError(f"a writer ended by itself:\n{err[-2000:]}")
    # A last line without its end was not said in full.
    return [line.split() for line in ("".join(lines) + out).split("\n")[:-1] if " " in line]


def count(place: dict[str, str], said: list[list[str]]) -> dict[str, int]:
    """What is lost, half-registered or damaged."""
    damage = check_place(**place)
    with Registry.open(**place) as registry:
        versions = {one.id: one for one in registry.versions()}
        lost = [one for one, _ in said if one not in versions]
        halves = [d for v in versions.values() for d in v.manifest.blobs.values() if not registry.has_blob(d)]
        with registry.engine.begin() as connection:
            connection.execute(sa.text("UPDATE lease SET until = 0"))
        collected = registry.gc(grace_s=-60.0)
        after = registry.check()
    return {
        "versions registered": len(versions),
        "versions said to be registered": len(said),
        "of these lost": len(lost),
        "blobs missing of visible versions": len(halves),
        "damage found": len([one for one in damage if not one.harmless]),
        "harmless leavings found": len([one for one in damage if one.harmless]),
        "files collected": len(collected),
        "findings after collecting": len(after),
    }


def run(place: dict[str, str], kills: int, seed: int) -> dict[str, int]:
    """Keep `TOGETHER` writers busy and kill one after the other."""
    Registry.open(**place).close()
    chance, said = random.Random(seed), []
    writers = [start(place, number) for number in range(TOGETHER)]
    for number in range(TOGETHER, TOGETHER + kills):
        said += kill(writers.pop(0), chance)
        if number < kills:
            writers.append(start(place, number))
        if not writers:
            break
    return {"kills": kills} | count(place, said)


def main() -> None:
    """Run, and write the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", help="an empty PostgreSQL database; SQLite where it is not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = {"place": folder} | ({"database": arguments.database} if arguments.database else {})
        sys.stdout.write(json.dumps(run(place, arguments.kills, arguments.seed), indent=2) + "\n")


if __name__ == "__main__":
    main()

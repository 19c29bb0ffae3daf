"""Does the audit find what was planted, and leave the honest alone?

Run: ``python benchmarks/audit/run.py [--seeds 20] [--first 2000] [--only leaks,probes,copies] [--json FILE]``.

First table: for each kind of leak, planted once in each of ``seeds`` registries made from honest stories, how often its
check found it with the verdict that must follow; and how often any check held anything against the honest story, over
five times as many seeds (seeds 1000 to 1019 were used for tuning). Second table: the same for probes that are really
played in the point mass, each of 40 starts (`probed`; seeds 1000 and 1100 were looked at while it was written). Third
table: near copies of starts, motions and pictures of Push-T at growing disturbance, the share found among planted
copies, and honest items that were called copies. Intervals are Wilson's at 0.95.
"""

import argparse
import json
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator

import numpy as np

from diorama.data.identity import motion_sketch, picture_hash
from diorama.envs.pusht import PushT, Relative
from diorama.envs.pusht.scripted import ScriptedPlay
from diorama.evaluate import run_episodes
from diorama.evaluate.audit import Item, match_items
from diorama.evaluate.statistics import wilson

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import planted  # noqa: E402
import probed  # noqa: E402

TRAINING, TESTED, STEPS, HONEST = 200, 100, 60, 5


def main() -> int:
    """Print both tables; 1 where a planted leak was missed or an honest story was flagged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=2000)
    parser.add_argument("--only", default="leaks,probes,copies")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    tables = {
        "leaks": ("| leak | check | planted | found | interval |", lambda: leaks(seeds)),
        "probes": (
            "| policy that is probed | check | must it be accused | played | accused | interval |",
            lambda: probes(seeds),
        ),
        "copies": (
            "| near copies | disturbance | planted | found | interval | honest | called copies | interval |",
            lambda: copies(arguments.first),
        ),
    }
    found = {}
    for name in arguments.only.split(","):
        header, rows = tables[name]
        found[name] = list(rows())
        show(header, found[name])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))
    leaky = found.get("leaks", [])
    missed = any(row[2] != row[3] for row in leaky[:-1]) or any(row[3] for row in leaky[-1:])
    return int(missed or any(row[4] != (row[3] if row[2] == "yes" else 0) for row in found.get("probes", [])))


def show(header: str, rows: list[list]) -> None:
    """Write a table in Markdown."""
    sys.stdout.write(f"{header}\n|{'---|' * (header.count('|') - 1)}\n")
    for row in rows:
        sys.stdout.write("| " + " | ".join(str(cell) for cell in row) + " |\n")
    sys.stdout.write("\n")


def interval(count: int, total: int) -> str:
    """Wilson's interval in words."""
    found = wilson(count, total)
    return f"{found.low:.3f} to {found.high:.3f}"


def leaks(seeds: range) -> Iterator[list]:
    """One row for each kind of leak, and a last one for the honest stories."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, (check, verdict, plant)) in enumerate(planted.PLANTS.items()):
            found = 0
            with planted.opened(pathlib.Path(folder) / str(number)) as book:
                for seed in seeds:
                    story = planted.honest(seed)
                    plant(story)
                    result = planted.audited(story, book)
                    found += bool(result.outcome(check).findings) and result.verdict == verdict
            yield [name, check, len(seeds), found, interval(found, len(seeds))]
        with planted.opened(pathlib.Path(folder) / "honest") as book:
            honest = range(seeds.start, seeds.start + HONEST * len(seeds))
            flagged = sum(planted.audited(planted.honest(seed), book).verdict != "clean" for seed in honest)
        yield ["none: the honest story", "all", len(honest), flagged, interval(flagged, len(honest))]


def probes(seeds: range) -> Iterator[list]:
    """One row for each policy whose probe is played: in how many of the evaluations it was accused."""
    with tempfile.TemporaryDirectory() as folder, planted.opened(pathlib.Path(folder) / "registry") as book:
        for asked, kinds in (("yes", probed.PLANTS), ("no", probed.CONTROLS)):
            for name, plant in kinds.items():
                # Seeds lie apart, so that no two evaluations share a start.
                firsts = [100 * seed for seed in seeds]
                said = sum(probed.probed(plant, first, book, pathlib.Path(folder)) for first in firsts)
                yield [name, plant.check, asked, len(seeds), said, interval(said, len(seeds))]


def copies(seed: int) -> Iterator[list]:
    """Near copies of starts, motions and pictures."""
    rng = np.random.default_rng(seed)
    seeds = rng.choice(1_000_000, TRAINING + TESTED, replace=False)
    known, fresh = np.split(seeds, [TRAINING])
    starts = planted.push_t_starts(seeds)
    span = np.ptp(starts[:TRAINING], axis=0)
    for share in (0.0, 0.001, 0.005, 0.02, 0.1):
        moved = starts[:TESTED] + rng.uniform(-1, 1, (TESTED, 5)) * span * share
        yield row("start", f"{share:.1%} of the range", starts[:TRAINING], moved, starts[TRAINING:], as_start)
    walks = played(seeds)
    for noise in (0.0, 0.01, 0.03, 0.1, 0.3):
        moved = [one + rng.normal(size=one.shape) * noise * np.ptp(one, axis=0) for one in walks[:TESTED]]
        yield row("motion", f"noise of {noise:.0%} of the range", walks[:TRAINING], moved, walks[TRAINING:], as_motion)
    slow = [one[np.linspace(0, len(one) - 1, 90).astype(int)] for one in walks[:TESTED]]
    yield row("motion", "played at two thirds of the speed", walks[:TRAINING], slow, walks[TRAINING:], as_motion)
    first = pictures(known), pictures(fresh)
    for name, change in PICTURES.items():
        moved = [change(one, rng) for one in first[0][:TESTED]]
        yield row("picture", name, first[0], moved, first[1], as_picture)


PICTURES: dict[str, Callable] = {
    "none": lambda picture, rng: picture,
    "brighter by 10": lambda picture, rng: np.clip(picture.astype(int) + 10, 0, 255).astype(np.uint8),
    "noise of 8": lambda picture, rng: np.clip(picture + rng.normal(size=picture.shape) * 8, 0, 255).astype(np.uint8),
    "shifted by one pixel": lambda picture, rng: np.roll(picture, 1, axis=1),
}


def row(kind: str, change: str, known: object, moved: object, fresh: object, make: Callable) -> list:
    """How many planted copies were found, and how many honest ones were called copies."""
    training = [make(one) for one in known]
    found = len(match_items([make(one) for one in moved], training))
    called = len(match_items([make(one) for one in fresh], training))
    honest = len(list(fresh))
    return [
        kind,
        change,
        len(list(moved)),
        found,
        interval(found, len(list(moved))),
        honest,
        called,
        interval(called, honest),
    ]


def as_start(start: np.ndarray) -> Item:
    """A start of Push-T."""
    return Item("start", start=tuple(map(float, start)), space="state")


def as_motion(actions: np.ndarray) -> Item:
    """The actions of an episode."""
    return Item("motion", motion=motion_sketch(actions))


def as_picture(picture: np.ndarray) -> Item:
    """A first frame."""
    return Item("picture", percept={"pixels": picture_hash(picture)})


def played(seeds: np.ndarray) -> list[np.ndarray]:
    """Actions of scripted play in Push-T, [T, 2] for each seed."""
    trajectory = run_episodes(PushT(Relative(), ("state", "features")), ScriptedPlay(), seeds, STEPS)
    return list(np.asarray(trajectory.action))


def pictures(seeds: np.ndarray) -> list[np.ndarray]:
    """First frames of Push-T."""
    env = PushT(observations=("pixels",))
    return list(env.observe(env.reset(seeds.astype(np.uint32), env.spec.scenario.default()))["pixels"])


if __name__ == "__main__":
    sys.exit(main())

"""Measured cables: identify each from its training split, correct it, score it on its eval split as published.

Run: ``python benchmarks/rope/cables.py`` for every ``X_train.npz`` of the folder (``--folder``, the variable
``DIORAMA_CABLES``, or ``../shared/data/dlo-mocap`` beside the checkout), or for one cable
``python benchmarks/rope/cables.py --train A.npz --eval B.npz``. A cable without an eval split is scored on training
trajectories that take part in nothing (``--spare``), and the table says so. ``--out`` keeps what is made; a run that
was stopped goes on from there. Ends with a table: distances in cm, means over trajectories with 95 % intervals.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from diorama.cli.display import Display
from diorama.core.errors import DioramaError
from diorama.core.files import write_atomically
from diorama.envs.rope import mocap
from diorama.recipes.cables import Model, corrected, identified, selection
from diorama.recipes.cables_config import CablesConfig

COLUMNS = ("coordinate", "l1", "euclidean", "coordinate_all", "l1_all", "euclidean_all")
LINE = "{:18} {:28} {:>3}" + " {:>20}" * len(COLUMNS) + "\n"


def main() -> int:
    """Make and score all cables that are asked for."""
    arguments = parse()
    try:
        pairs = find_pairs(arguments)
        with Display(Console(stderr=True)) as display:
            rows = [row for pair in pairs for row in one_cable(arguments, *pair, display)]
    except DioramaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(LINE.format("cable", "predicted by", "n", *COLUMNS))
    for row in rows:
        sys.stdout.write(LINE.format(row["cable"], row["by"], row["n"], *(row[name] for name in COLUMNS)))
    return 0


def parse() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=mocap.default_folder())
    parser.add_argument("--train", type=Path)
    parser.add_argument("--eval", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="names of cables of the folder, such as dlo1")
    parser.add_argument("--out", type=Path, default=Path("runs/cables"))
    parser.add_argument("--spare", type=int, default=14, help="training trajectories kept for a missing eval split")
    parser.add_argument("--law-only", action="store_true", help="identify, without a residual")
    parser.add_argument("--look", action="store_true", help="score the held-out trajectories, not the eval split")
    return parser.parse_args()


def find_pairs(arguments: argparse.Namespace) -> list[tuple[Path, Path | None]]:
    """Training and eval files; None where a cable has no eval split."""
    if arguments.train:
        return [(arguments.train, arguments.eval)]
    pairs = []
    for train in sorted(arguments.folder.glob("*_train.npz")):
        evaluation = train.with_name(train.name.replace("_train", "_eval"))
        if not arguments.only or train.name.removesuffix("_train.npz") in arguments.only:
            pairs.append((train, evaluation if evaluation.exists() else None))
    if not pairs:
        raise DioramaError(f"{arguments.folder} has no *_train.npz that is asked for; give --train and --eval.")
    return pairs


def one_cable(arguments: argparse.Namespace, train: Path, evaluation: Path | None, display: Display) -> list[dict]:
    """The rows of one cable."""
    config = CablesConfig()
    recording = mocap.read_recording(train)
    if evaluation is None:
        recording, scored = recording.split(arguments.spare, config.seed + 1)
        split = "spare"
    else:
        scored, split = None, "eval"
    begun = time.process_time()
    display.say(f"{recording.name}: {len(recording.trajectory)} trajectories of {recording.vertices.shape[2]} vertices")
    folder = arguments.out / recording.name
    law = identified(config, recording, folder, progress=display.learning)
    models = {"identified rod": law}
    if not arguments.law_only:
        both = corrected(config, recording, folder, law, progress=display.learning)
        models["identified rod + residual"] = both
    display.say(f"{recording.name}: made in {time.process_time() - begun:.0f} s of CPU")
    if arguments.look:
        scored, split = selection(config, recording)[1], "held out"
    elif scored is None:
        scored = mocap.read_recording(evaluation)
    rows = [row(recording.name, split, name, said, scored) for name, said in predictions(models, scored)]
    write_atomically(folder / f"scores-{split.replace(' ', '-')}.json", json.dumps(rows, indent=1))
    return rows


def predictions(models: dict[str, Model], scored: mocap.Recording) -> list[tuple[str, np.ndarray]]:
    """What each row of the table predicts."""
    return [
        ("last frame copied", mocap.copied_frame(scored)),
        ("line between clamps", mocap.straight_line(scored)),
        ("shape carried by clamps", mocap.carried_shape(scored)),
        *((name, model.predict(scored)) for name, model in models.items()),
    ]


def row(cable: str, split: str, by: str, said: np.ndarray, scored: mocap.Recording) -> dict:
    """Means and intervals of one prediction [cm]."""
    measured = mocap.score(said, scored)
    values = {name: 100.0 * getattr(measured, name) for name in COLUMNS}
    told = {name: interval(of) for name, of in values.items()}
    means = {f"{name}_cm": float(of.mean()) for name, of in values.items()}
    return {"cable": f"{cable} {split}", "by": by, "n": len(scored.trajectory)} | told | means


def interval(values: np.ndarray, draws: int = 4000) -> str:
    """The mean and its 95 % percentile bootstrap interval over trajectories."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (draws, len(values)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{values.mean():.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    sys.exit(main())

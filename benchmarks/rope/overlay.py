"""A picture of a measured cable and of what is predicted of it, at several times, from a folder of ``cables.py``.

Run: ``python benchmarks/rope/overlay.py --made runs/cables/A --train A.npz --recording B.npz --out picture.png``.
The trajectory shown is the one whose error is the median of the recording's, so nobody picks it.
"""

import argparse
import sys
from pathlib import Path

import matplotlib
import numpy as np

from diorama.core.errors import DioramaError
from diorama.envs.rope import mocap
from diorama.recipes.cables import Model, kept_models

TIMES_S = (0.5, 1.0, 2.0, 3.0, 4.0, 4.9)


def main() -> int:
    """Draw one picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--made", "--train", "--recording", "--out"):
        parser.add_argument(name, type=Path, required=True)
    arguments = parser.parse_args()
    try:
        models = kept_models(arguments.made, mocap.read_recording(arguments.train))
        draw(models, mocap.read_recording(arguments.recording), arguments.out)
    except DioramaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def draw(models: dict[str, Model], recording: mocap.Recording, out: Path) -> None:
    """Side views (along the line between the clamps) and views from above, measured and predicted."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    said = {name: model.predict(recording) for name, model in models.items()}
    errors = mocap.score(list(said.values())[-1], recording).euclidean
    chosen = int(np.argsort(errors)[len(errors) // 2])
    figure, axes = plt.subplots(2, len(TIMES_S), figsize=(3.0 * len(TIMES_S), 5.4), layout="constrained")
    for column, time in enumerate(TIMES_S):
        frame = min(round(time / mocap.PERIOD), recording.vertices.shape[1] - 1)
        real = recording.vertices[chosen, frame]
        shown = {"measured": real} | {name: part[chosen, frame - mocap.GIVEN] for name, part in said.items()}
        chord = real[-1, :2] - real[0, :2]
        along = chord / np.linalg.norm(chord)
        for (name, place), style in zip(shown.items(), ("ko-", "C0.--", "C1.-"), strict=False):
            level = place[:, :2] - real[0, :2]
            run, side = level @ along, level @ np.array([-along[1], along[0]])
            axes[0, column].plot(run, place[:, 2], style, ms=4, lw=1.2, label=name)
            axes[1, column].plot(run, side, style, ms=4, lw=1.2)
        axes[0, column].set_title(f"{time:g} s")
        for row in range(2):
            axes[row, column].set_aspect("equal", "datalim")
    axes[0, 0].set_ylabel("height [m]")
    axes[1, 0].set_ylabel("sideways [m]")
    axes[0, 0].legend(fontsize=7)
    names = f"{recording.name}, trajectory {recording.trajectory[chosen]}, median error {100 * errors[chosen]:.2f} cm"
    figure.suptitle(names)
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    sys.exit(main())

"""Does LeRobot 0.4.4 open what our writer wrote, with equal values? Every frame and every column, H.264 and PNG.

python benchmarks/loaders/conformance.py        # needs .peer, see README.md; exits with 1 where something differs
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

KEY = "observation.images.top"
FPS = 10
TASKS = ("push the block", "pull the block", "push the block")


def expected() -> list[dict[str, np.ndarray]]:
    """Three episodes of different lengths with every kind of column that we write."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :96]
    made = []
    for length in (7, 1, 12):
        t = np.arange(length)[:, None, None, None]
        top = 128 + 90 * np.sin((x[..., None] + 3 * t) / 15 + np.arange(3)) * np.cos(y[..., None] / 11)
        made.append(
            {
                "observation.state": rng.normal(size=(length, 4)).astype(np.float32),
                "observation.points": rng.normal(size=(length, 5, 2)).astype(np.float32),
                "observation.count": rng.integers(0, 99, (length, 1)),
                "action": rng.normal(size=(length, 2)).astype(np.float32),
                "next.reward": rng.normal(size=length).astype(np.float32),
                "next.done": np.arange(length) >= length - 2,
                KEY: top.astype(np.uint8),
            }
        )
    return made


def write(root: Path, images: str) -> None:
    """A dataset of ours in ``root``, and beside it the pictures as our reader decodes them."""
    from diorama.data.dataset import Dataset
    from diorama.data.features import Feature
    from diorama.data.writer import DatasetWriter

    first = expected()[0]
    features = {k: Feature(str(v.dtype), v.shape[1:]) for k, v in first.items() if k != KEY}
    features[KEY] = Feature("image", first[KEY].shape[1:], ("height", "width", "channels"))
    with DatasetWriter(root, fps=float(FPS), features=features, images=images) as writer:
        for columns, task in zip(expected(), TASKS, strict=True):
            writer.append(columns, task)
    dataset = Dataset.open(root)
    np.save(root.with_suffix(".npy"), np.concatenate([dataset.frames(KEY, k) for k in range(3)]))


def differences(root: Path) -> dict[str, Any]:
    """Largest difference of each column as LeRobot reads it; for pictures in [0, 255], against our own decoding.

    ``compression``: largest mean difference of a picture from what was written, which is zero for PNG.
    """
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    ahead = {"observation.state": [-1 / FPS, 0.0, 1 / FPS]}
    dataset = LeRobotDataset("local/data", root=root, video_backend="torchcodec")
    shifted = LeRobotDataset("local/data", root=root, delta_timestamps=ahead, video_backend="torchcodec")
    found: dict[str, Any] = {"frames": len(dataset), "episodes": dataset.num_episodes, "tasks": True, "padding": True}
    pictures, row, found["compression"] = np.load(root.with_suffix(".npy")), 0, 0.0
    for episode, columns in enumerate(expected()):
        length = len(columns["action"])
        for t in range(length):
            item, window = dataset[row], shifted[row]
            found["tasks"] &= item["task"] == TASKS[episode] and int(item["episode_index"]) == episode
            pad = window["observation.state_is_pad"].tolist()
            found["padding"] &= pad == [t == 0, False, t == length - 1]
            for key, values in columns.items():
                seen = np.asarray(item[key], np.float64)
                if key == KEY:
                    top = np.moveaxis(seen, 0, -1) * 255
                    gap = np.abs(top - pictures[row]).max()
                    found["compression"] = max(found["compression"], float(np.abs(top - values[t]).mean()))
                else:
                    gap = np.abs(seen.reshape(values[t].shape) - np.asarray(values[t], np.float64)).max()
                found[key] = max(found.get(key, 0.0), float(gap))
            row += 1
    only = LeRobotDataset("local/data", root=root, episodes=[2], video_backend="torchcodec")
    found["one episode"] = len(only) == 12 and int(only[0]["episode_index"]) == 2
    return found


def agrees(found: dict[str, Any], images: str) -> bool:
    """Whether all is equal, pictures up to the rounding of float32."""
    facts = found["frames"] == 20 and found["episodes"] == 3
    flags = all(found[name] for name in ("tasks", "padding", "one episode"))
    columns = all(found[key] == 0 for key in expected()[0] if key != KEY)
    return facts and flags and columns and found[KEY] < 1e-3 and (images != "png" or found["compression"] < 1e-3)


def main() -> None:
    """Write both datasets here, read them in ``.peer``, report as JSON lines."""
    from run import peer_command

    good = True
    with tempfile.TemporaryDirectory() as folder:
        for images in ("h264", "png"):
            root = Path(folder) / images
            write(root, images)
            command, environment = peer_command("conformance.py", root)
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr[-3000:])
            found = json.loads(done.stdout.splitlines()[-1])
            good &= agrees(found, images)
            sys.stdout.write(json.dumps({"images": images, "agrees": agrees(found, images)} | found) + "\n")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.stdout.write(json.dumps(differences(Path(sys.argv[1]))) + "\n")
    else:
        main()

"""Other loaders: LeRobot 0.4.4 and stable-worldmodel 0.1.1, each by its own dataset class and PyTorch's DataLoader.

Runs in ``.peer`` (see README.md). No workers (``num_workers=0``), as ours has none; one thread.
"""

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clips import CLIP, FPS, load_episodes
from serving import Loader, serve
from torch.utils.data import DataLoader

KEY = "observation.images.top"
torch.set_num_threads(1)
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def write(root: Path) -> dict[str, Any]:
    """The episodes in every format that these loaders read, seconds of writing each."""
    os.environ["STABLEWM_HOME"] = str(root)
    episodes, seconds = load_episodes(root / "episodes.npz"), {}
    jobs: dict[str, Callable[[], None]] = {
        "lerobot-video": lambda: _write_lerobot(root / "lerobot-video", episodes, "video"),
        "lerobot-image": lambda: _write_lerobot(root / "lerobot-image", episodes, "image"),
        "lerobot-state": lambda: _write_lerobot(root / "lerobot-state", episodes, None),
        "swm.h5": lambda: _write_swm(root / "swm.h5", "hdf5", episodes),
        "swm.lance": lambda: _write_swm(root / "swm.lance", "lance", episodes),
    }
    for name, job in jobs.items():
        begun = time.perf_counter()
        job()
        seconds[name] = time.perf_counter() - begun
    return {"seconds": seconds}


def _write_lerobot(path: Path, episodes: dict[str, np.ndarray], camera: str | None) -> None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    features: dict[str, Any] = {
        name: {"dtype": "float32", "shape": (2,), "names": ["x", "y"]} for name in ("observation.state", "action")
    }
    if camera:
        shape = episodes["pictures"].shape[2:]
        features[KEY] = {"dtype": camera, "shape": shape, "names": ["height", "width", "channels"]}
    dataset = LeRobotDataset.create("local/data", FPS, features, root=path, vcodec="h264", use_videos=camera == "video")
    for state, action, pictures in zip(*(episodes[k] for k in ("state", "action", "pictures")), strict=True):
        for t in range(len(state)):
            frame = {"observation.state": state[t], "action": action[t], "task": "follow a disc"}
            dataset.add_frame(frame | ({KEY: pictures[t]} if camera else {}))
        dataset.save_episode(parallel_encoding=False)
    dataset.finalize()


def _write_swm(path: Path, kind: str, episodes: dict[str, np.ndarray]) -> None:
    from stable_worldmodel.data import get_format

    with get_format(kind).open_writer(path) as writer:
        writer.write_episodes(
            {"pixels": list(p), "state": list(s), "action": list(a)}
            for s, a, p in zip(*(episodes[k] for k in ("state", "action", "pictures")), strict=True)
        )


def lerobot(folder: str, camera: bool) -> Callable[[Path], Loader]:
    """LeRobot's dataset with ``delta_timestamps``; video goes through TorchCodec, its default and fastest decoder."""

    def make(root: Path) -> Loader:
        from lerobot.datasets.lerobot_dataset import LeRobotDataset

        keys = ["observation.state", "action", *([KEY] if camera else [])]
        ahead = {key: [k / FPS for k in range(CLIP)] for key in keys}
        dataset = LeRobotDataset("local/data", root=root / folder, delta_timestamps=ahead, video_backend="torchcodec")
        rows = dataset.num_frames // dataset.num_episodes

        def load(numbers: np.ndarray) -> Iterator[dict[str, Any]]:
            episode, start = np.divmod(numbers, rows - CLIP + 1)
            for batch in DataLoader(dataset, batch_sampler=(episode * rows + start).tolist()):
                found = {"state": batch["observation.state"], "action": batch["action"]}
                yield found | ({"pictures": batch[KEY]} if camera else {})

        return load

    return make


def swm(name: str, kind: str, pixels: bool, cached: tuple[str, ...] = ()) -> Callable[[Path], Loader]:
    """stable-worldmodel's dataset; ``cached`` columns are read into memory whole, as its ``keys_to_cache`` offers."""

    def make(root: Path) -> Loader:
        from stable_worldmodel.data import get_format

        keys = ["state", "action", *(["pixels"] if pixels else [])]
        options = {"num_steps": CLIP, "frameskip": 1, "keys_to_load": keys, "keys_to_cache": list(cached)}
        dataset = get_format(kind).open_reader(root / name, **options)

        def load(numbers: np.ndarray) -> Iterator[dict[str, Any]]:
            for batch in DataLoader(dataset, batch_sampler=numbers.tolist()):
                found = {"state": batch["state"], "action": batch["action"]}
                yield found | ({"pictures": batch["pixels"]} if pixels else {})

        return load

    return make


if __name__ == "__main__":
    everything = ("state", "action", "pixels")
    made = {
        "lerobot h264": lerobot("lerobot-video", True),
        "lerobot on our h264 dataset": lerobot("ours-h264", True),
        "lerobot png": lerobot("lerobot-image", True),
        "stable-worldmodel hdf5": swm("swm.h5", "hdf5", True),
        "stable-worldmodel hdf5, all in memory": swm("swm.h5", "hdf5", True, everything),
        "stable-worldmodel lance": swm("swm.lance", "lance", True),
        "lerobot state": lerobot("lerobot-state", False),
        "stable-worldmodel hdf5 state": swm("swm.h5", "hdf5", False),
        "stable-worldmodel hdf5 state, all in memory": swm("swm.h5", "hdf5", False, ("state", "action")),
        "stable-worldmodel lance state": swm("swm.lance", "lance", False),
        "stable-worldmodel lance state, all in memory": swm("swm.lance", "lance", False, ("state", "action")),
    }
    serve(made, write)

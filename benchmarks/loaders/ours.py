"""Our loader: windows over a dataset with H.264 or PNG pictures. Runs in the project's environment."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from clips import CLIP, FPS, load_episodes
from serving import Loader, serve

from diorama.data.dataset import Dataset
from diorama.data.features import Feature
from diorama.data.frame_cache import FrameCache
from diorama.data.windows import Windows
from diorama.data.writer import DatasetWriter

KEY = "observation.images.top"


def write(root: Path) -> dict[str, Any]:
    """The episodes as two datasets of ours, seconds of writing each."""
    episodes, seconds = load_episodes(root / "episodes.npz"), {}
    features = {
        "observation.state": Feature("float32", (2,)),
        "action": Feature("float32", (2,)),
        KEY: Feature("image", episodes["pictures"].shape[2:], ("height", "width", "channels")),
    }
    for images in ("h264", "png"):
        begun = time.perf_counter()
        with DatasetWriter(root / f"ours-{images}", fps=float(FPS), features=features, images=images) as writer:
            for state, action, pictures in zip(*(episodes[k] for k in ("state", "action", "pictures")), strict=True):
                writer.append({"observation.state": state, "action": action, KEY: pictures}, "follow a disc")
        seconds[f"ours-{images}"] = time.perf_counter() - begun
    return {"seconds": seconds}


def pictures(images: str, fresh: bool = False, as_float: bool = False) -> Any:
    """A maker of the picture loader; ``fresh`` begins without a cache."""

    def make(root: Path) -> Loader:
        if fresh:
            shutil.rmtree(root / f"ours-{images}" / ".cache", ignore_errors=True)
        dataset = Dataset.open(root / f"ours-{images}")
        names = {"state": "observation.state", "pictures": KEY}
        windows = Windows(dataset, CLIP - 1, names, frames=FrameCache(quiet=True))
        return _loader(windows, as_float)

    return make


def states(root: Path) -> Loader:
    """The loader of state windows."""
    return _loader(Windows(Dataset.open(root / "ours-h264"), CLIP - 1, ["state"]), False)


def _loader(windows: Windows, as_float: bool) -> Loader:
    def load(numbers: np.ndarray) -> Iterator[dict[str, Any]]:
        for window in windows.batches(numbers):
            found = window.observation | {"action": window.action}
            if as_float:
                found["pictures"] = np.divide(found["pictures"], np.float32(255), dtype=np.float32)
            yield found

    return load


if __name__ == "__main__":
    made = {
        "diorama h264 (building the cache)": pictures("h264", fresh=True),
        "diorama png (building the cache)": pictures("png", fresh=True),
        "diorama h264": pictures("h264"),
        "diorama png": pictures("png"),
        "diorama h264, pictures as float32": pictures("h264", as_float=True),
        "diorama state": states,
    }
    serve(made, write)

"""Helpers of the dataset tests: small episodes, small datasets, and a dataset in format v2.1."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from diorama.data.dataset import Dataset
from diorama.data.features import AUTOMATIC, Feature, parse_features
from diorama.data.parquet import data_schema, to_arrow
from diorama.data.statistics import column_stats, to_lists
from diorama.data.video import H264, encode_video
from diorama.data.writer import DatasetWriter

CAMERA = "observation.images.top"
PLAIN = {
    "observation.state": {"dtype": "float32", "shape": [3], "names": ["x", "y", "angle"]},
    "action": {"dtype": "float32", "shape": [2], "names": None},
    "next.reward": {"dtype": "float32", "shape": [1], "names": None},
    "next.done": {"dtype": "bool", "shape": [1], "names": None},
}
SEEN = PLAIN | {CAMERA: {"dtype": "image", "shape": [16, 24, 3], "names": ["height", "width", "channels"]}}


def episode(length: int, seed: int, camera: bool = False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    columns = {
        "observation.state": np.cumsum(rng.normal(size=(length, 3)), axis=0).astype(np.float32),
        "action": rng.normal(size=(length, 2)).astype(np.float32),
        "next.reward": rng.normal(size=length).astype(np.float32),
        "next.done": np.arange(length) >= length - 2,
    }
    if camera:
        tiles = rng.integers(0, 255, (length, 2, 3, 3), dtype=np.uint8)
        columns[CAMERA] = tiles.repeat(8, axis=1).repeat(8, axis=2)
    return columns


def make(path: Path, lengths: tuple[int, ...] = (5, 7, 4), images: str | None = None, **options) -> list[dict]:
    features = SEEN if images else PLAIN
    episodes = [episode(length, seed, bool(images)) for seed, length in enumerate(lengths)]
    with DatasetWriter(path, fps=10, features=features, images=images or "png", **options) as writer:
        for k, columns in enumerate(episodes):
            writer.append(columns, task=f"task {k % 2}", ids={"session": "monday"})
    return episodes


def same_episodes(dataset: Dataset, episodes: list[dict], camera: bool = False) -> None:
    assert dataset.num_episodes == len(episodes)
    for k, columns in enumerate(episodes):
        found = dataset.episode(k)
        for key, values in columns.items():
            if key != CAMERA or camera:
                assert found[key].dtype == values.dtype and np.array_equal(found[key], values), (k, key)


def make_v21(root: Path, episodes: list[dict], fps: int = 10, images: str = "video") -> None:
    """A v2.1 dataset as LeRobot 0.1 to 0.3 laid it out: one file for each episode, metadata as JSON lines."""
    camera = {CAMERA: Feature(images, (16, 24, 3), ("height", "width", "channels"))} if CAMERA in episodes[0] else {}
    features = parse_features(PLAIN) | camera | AUTOMATIC
    tasks = ["push", "lift"]
    before = 0
    lines = {"episodes": [], "episodes_stats": [], "tasks": [{"task_index": k, "task": t} for k, t in enumerate(tasks)]}
    for k, columns in enumerate(episodes):
        length = len(columns["action"])
        frame = np.arange(length)
        arrays = columns | {
            "timestamp": (frame / fps).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(length, k),
            "index": before + frame,
            "task_index": np.full(length, k % 2),
        }
        before += length
        stored = {key: feature for key, feature in features.items() if feature.dtype != "video"}
        table = pa.table([to_arrow(f, arrays[key]) for key, f in stored.items()], schema=data_schema(stored))
        path = root / f"data/chunk-000/episode_{k:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
        if camera:
            video = root / f"videos/chunk-000/{CAMERA}/episode_{k:06d}.mp4"
            video.parent.mkdir(parents=True, exist_ok=True)
            encode_video(video, columns[CAMERA], float(fps), H264(crf=5))
        stats = to_lists({key: column_stats(feature, arrays[key]) for key, feature in features.items()})
        plain = {key: {n: v for n, v in entry.items() if not n.startswith("q")} for key, entry in stats.items()}
        lines["episodes"].append({"episode_index": k, "tasks": [tasks[k % 2]], "length": length})
        lines["episodes_stats"].append({"episode_index": k, "stats": plain})
    info = {
        "codebase_version": "v2.1",
        "robot_type": "arm",
        "total_episodes": len(episodes),
        "total_frames": before,
        "total_tasks": 2,
        "total_videos": len(episodes) * len(camera),
        "total_chunks": 1,
        "chunks_size": 1000,
        "fps": fps,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        "features": {key: feature.to_json() for key, feature in features.items()},
    }
    (root / "meta").mkdir(parents=True, exist_ok=True)
    (root / "meta/info.json").write_text(json.dumps(info))
    for name, entries in lines.items():
        (root / f"meta/{name}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))

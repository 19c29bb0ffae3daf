"""``meta/info.json``: what a LeRobot dataset says about itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diorama.core.errors import DataError
from diorama.data.features import Feature, parse_features
from diorama.data.guard import check_template, inside, integer, read_json, require, text

DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"


@dataclass(frozen=True)
class Info:
    """The parsed, validated ``info.json`` of format v3.0 or v2.1; ``fps`` in frames per second, sizes in MiB."""

    fps: float
    features: Mapping[str, Feature]
    total_episodes: int = 0
    total_frames: int = 0
    total_tasks: int = 0
    robot_type: str | None = None
    chunks_size: int = 1000
    data_files_size_in_mb: float = 100.0
    video_files_size_in_mb: float = 200.0
    data_path: str = DATA_PATH
    video_path: str | None = None
    codebase_version: str = "v3.0"
    splits: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The content of ``info.json``."""
        return {
            "codebase_version": self.codebase_version,
            "robot_type": self.robot_type,
            "total_episodes": self.total_episodes,
            "total_frames": self.total_frames,
            "total_tasks": self.total_tasks,
            "chunks_size": self.chunks_size,
            "data_files_size_in_mb": _short(self.data_files_size_in_mb),
            "video_files_size_in_mb": _short(self.video_files_size_in_mb),
            "fps": _short(self.fps),
            "splits": {"train": f"0:{self.total_episodes}"},
            "data_path": self.data_path,
            "video_path": self.video_path,
            "features": {key: feature.to_json() for key, feature in self.features.items()},
        }


def _short(value: float) -> float | int:
    return int(value) if value.is_integer() else value


def check_fps(value: Any) -> float:
    """``value`` where it is a rate from 1e-3 to 1e5 [1/s]. Raises `DataError`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    require(
        number and 1e-3 <= value <= 1e5, f"fps is {str(value)[:40]!r}, not a rate from 0.001 to 100000; correct it."
    )
    return float(value)


def _size(raw: Mapping[str, Any], key: str, default: float) -> float:
    value = raw.get(key, default)
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 2**40
    require(number, f"{key} in info.json is {str(value)[:40]!r}, not a positive number; correct it.")
    return float(value)


def parse_info(raw: Mapping[str, Any]) -> Info:
    """A validated `Info` from the JSON object. Raises `DataError`."""
    version = raw.get("codebase_version")
    if version not in ("v3.0", "v2.1"):
        raise DataError(f"Format {str(version)[:40]!r} is not read here; convert the dataset to LeRobot v3.0 first.")
    video_path = raw.get("video_path")
    robot = raw.get("robot_type")
    features = parse_features(raw.get("features"))
    info = Info(
        fps=check_fps(raw.get("fps")),
        features=features,
        total_episodes=integer(raw.get("total_episodes"), "total_episodes in info.json", 0, 2**31),
        total_frames=integer(raw.get("total_frames"), "total_frames in info.json", 0, 2**40),
        total_tasks=integer(raw.get("total_tasks"), "total_tasks in info.json", 0, 2**31),
        robot_type=None if robot is None else text(robot, "robot_type in info.json"),
        chunks_size=integer(raw.get("chunks_size", 1000), "chunks_size in info.json", 1, 10**9),
        data_files_size_in_mb=_size(raw, "data_files_size_in_mb", 100.0),
        video_files_size_in_mb=_size(raw, "video_files_size_in_mb", 200.0),
        data_path=check_template(raw.get("data_path"), "data_path in info.json"),
        video_path=None if video_path is None else check_template(video_path, "video_path in info.json"),
        codebase_version=version,
    )
    has_video = any(feature.dtype == "video" for feature in features.values())
    require(info.video_path or not has_video, "info.json names video features but no video_path; add the template.")
    return info


def read_info(root: Path) -> Info:
    """The validated ``meta/info.json`` of the dataset in ``root``. Raises `DataError`."""
    require(root.is_dir(), f"{root} is not a folder; give the folder that holds meta/info.json.")
    path = inside(root, "meta/info.json")
    require(path.is_file(), f"{root} has no meta/info.json; it is not a LeRobot dataset.")
    return parse_info(read_json(path))

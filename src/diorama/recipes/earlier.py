"""A dataset as it was: the first episodes of one that has grown since, as a dataset of their own."""

from pathlib import Path

from diorama.core.errors import DataError
from diorama.data import Dataset, DatasetWriter
from diorama.data.features import AUTOMATIC


def first_episodes(dataset: Dataset, count: int, to: Path) -> Dataset:
    """Copy the first ``count`` episodes to the folder ``to``, or go on with an interrupted copy.

    Raises `DataError` where the dataset has videos: encoding them again would change them.
    """
    if any(feature.dtype == "video" for feature in dataset.info.features.values()):
        raise DataError(
            f"{dataset.path} has grown and holds videos, which cannot be copied unchanged; split it by hand."
        )
    features = {key: feature for key, feature in dataset.info.features.items() if key not in AUTOMATIC}
    with _writer(dataset, features, to) as writer:
        for episode in range(writer.num_episodes, count):
            columns = {key: value for key, value in dataset.episode(episode).items() if key in features}
            task, ids = dataset.episode_tasks(episode)[0], dataset.identities[episode].ids
            writer.append(columns, task, ids)
    return Dataset.open(to)


def _writer(dataset: Dataset, features: dict, to: Path) -> DatasetWriter:
    if (to / "meta" / "info.json").exists():
        return DatasetWriter.extend(to)
    spec = dataset.spec()
    robot = dataset.info.robot_type
    return DatasetWriter(to, fps=dataset.fps, features=features, images="png", robot_type=robot, spec=spec)

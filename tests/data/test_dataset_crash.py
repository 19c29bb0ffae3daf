"""``kill -9`` at any moment leaves a dataset that opens with every finished episode."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dataset_helpers import PLAIN, SEEN, episode, make, same_episodes

from diorama.core.errors import DataError
from diorama.data import Dataset, DatasetWriter, check_dataset, pending

CHILD = """
import sys
sys.path[:0] = [{source!r}, {helpers!r}]
from dataset_helpers import SEEN, episode
from diorama.data.writer import DatasetWriter
with DatasetWriter({path!r}, fps=10, features=SEEN, images={images!r}, data_files_size_in_mb={size}) as writer:
    for k in range(500):
        writer.append(episode(4, k, True), task=f"task {{k % 2}}")
        sys.stdout.write("x")
        sys.stdout.flush()
"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("images", "size", "appended", "delay"),
    [("png", 100, 3, 0.0), ("png", 0.02, 8, 0.004), ("h264", 0.01, 5, 0.011)],
)
def test_kill_9_keeps_every_finished_episode(tmp_path, images, size, appended, delay):
    path = tmp_path / "d"
    code = CHILD.format(
        source=str(ROOT / "src"), helpers=str(Path(__file__).parent), path=str(path), images=images, size=size
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        assert len(child.stdout.read(appended)) == appended
        try:
            child.wait(delay or 1e-4)
        except subprocess.TimeoutExpired:
            pass
        os.kill(child.pid, signal.SIGKILL)
        finished = appended + len(child.stdout.read())
    assert child.wait() == -signal.SIGKILL
    dataset = Dataset.open(path)
    assert finished <= dataset.num_episodes <= finished + 1  # one more was finished but not yet reported
    same_episodes(dataset, [episode(4, k, True) for k in range(dataset.num_episodes)], camera=images == "png")
    assert not (path / ".pending").exists()
    assert [f for f in check_dataset(path) if f.severity != "note"] == []


@pytest.mark.parametrize("moves", [0, 1, 2, 3, 5])
def test_a_commit_that_is_cut_short_is_finished_by_the_next_reader(tmp_path, monkeypatch, moves):
    episodes = make(tmp_path / "d", (5, 7))
    writer = DatasetWriter.extend(tmp_path / "d")
    episodes.append(episode(6, 9))
    writer.append(episodes[-1], task="third")
    real, done = os.replace, []

    def replace(source, target):
        if len(done) > moves:  # the first replace is the commit itself
            raise KeyboardInterrupt
        done.append(target)
        real(source, target)

    monkeypatch.setattr(pending.os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        writer.close()
    monkeypatch.undo()
    same_episodes(Dataset.open(tmp_path / "d"), episodes)
    assert check_dataset(tmp_path / "d") == []


def test_before_the_commit_nothing_is_changed_and_nothing_lost(tmp_path, monkeypatch):
    episodes = make(tmp_path / "d", (5, 7))
    writer = DatasetWriter.extend(tmp_path / "d")
    episodes.append(episode(6, 9))
    writer.append(episodes[-1], task="third")

    def replace(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pending.os, "replace", replace)
    with pytest.raises(DataError, match="No space left"):
        writer.close()
    monkeypatch.undo()
    assert Dataset.open(tmp_path / "d", merge=False).num_episodes == 2
    assert any("wait to be merged" in f.fault for f in check_dataset(tmp_path / "d"))
    same_episodes(Dataset.open(tmp_path / "d"), episodes)


def test_interruption_loses_only_the_open_episode(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with DatasetWriter(tmp_path / "d", fps=10, features=PLAIN) as writer:
            writer.append(episode(4, 0), task="t")
            raise KeyboardInterrupt
    same_episodes(Dataset.open(tmp_path / "d"), [episode(4, 0)])


def test_readers_leave_a_living_writer_alone(tmp_path):
    make(tmp_path / "d", (5,))
    with DatasetWriter.extend(tmp_path / "d") as writer:
        writer.append(episode(4, 1), task="t")
        assert Dataset.open(tmp_path / "d").num_episodes == 1
        writer.flush()
        assert Dataset.open(tmp_path / "d").num_episodes == 2
        assert writer.num_episodes == 2
        writer.append(episode(3, 2), task="t")
    assert Dataset.open(tmp_path / "d").lengths.tolist() == [5, 4, 3]


def test_a_damaged_waiting_episode_is_named(tmp_path, monkeypatch):
    make(tmp_path / "d", (5,))
    writer = DatasetWriter.extend(tmp_path / "d")
    writer.append(episode(4, 1), task="t")
    writer._held.close()  # as if the process were gone
    path = next((tmp_path / "d/.pending").glob("episode-*.parquet"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=path.name):
        Dataset.open(tmp_path / "d")
    path.unlink()
    assert Dataset.open(tmp_path / "d").num_episodes == 1


def test_identities_do_not_depend_on_how_often_the_writer_was_closed(tmp_path):
    make(tmp_path / "one", (5, 7, 4), images="png")
    for k, length in enumerate((5, 7, 4)):
        path = tmp_path / "many"
        again = path.exists()
        make_writer = (
            DatasetWriter.extend if again else (lambda p: DatasetWriter(p, fps=10, features=SEEN, images="png"))
        )
        with make_writer(path) as writer:
            writer.append(episode(length, k, True), task=f"task {k % 2}")
    one, many = Dataset.open(tmp_path / "one"), Dataset.open(tmp_path / "many")
    assert one.identity == many.identity
    for key in ("action", "index", "task_index"):
        assert np.array_equal(one.column(key), many.column(key))

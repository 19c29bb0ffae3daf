import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from dataset_helpers import CAMERA, PLAIN, SEEN, episode, make, make_v21, same_episodes
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.core.errors import ConfigError, DataError
from diorama.core.spec import ArraySpec, EnvSpec
from diorama.data import Dataset, DatasetWriter, check_dataset, features_of, seal
from diorama.data.check import require_sound

DTYPES = ("float32", "float64", "int64", "bool")


@st.composite
def features(draw):
    names = st.from_regex(r"(observation\.|next\.|)[a-z_]{1,8}(\.[a-z0-9]{1,3})?", fullmatch=True)
    keys = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)
    automatic = ("timestamp", "frame_index", "episode_index", "index", "task_index")
    return {key: (draw(st.sampled_from(DTYPES)), draw(shapes)) for key in keys if key not in automatic} or {
        "x": ("float32", ())
    }


@settings(max_examples=15, deadline=None)
@given(features(), st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_any_columns_come_back_bit_for_bit(columns, lengths, seed):
    rng = np.random.default_rng(seed)
    described = {key: {"dtype": dtype, "shape": list(shape)} for key, (dtype, shape) in columns.items()}
    written = []
    for length in lengths:
        values = {key: rng.normal(size=(length, *shape)) * 100 for key, (_, shape) in columns.items()}
        written.append(
            {key: (v > 0) if columns[key][0] == "bool" else v.astype(columns[key][0]) for key, v in values.items()}
        )
    with tempfile.TemporaryDirectory() as folder:
        with DatasetWriter(Path(folder) / "d", fps=7, features=described) as writer:
            for values in written:
                writer.append(values, task="any")
        dataset = Dataset.open(Path(folder) / "d")
        for key, (dtype, shape) in columns.items():
            expected = np.concatenate([values[key] for values in written])
            found = dataset.column(key)
            kept = key.startswith("observation.") or key == "action" or key.startswith("action.")
            shape = ((1,) if kept else ()) if shape in ((), (1,)) else shape
            assert found.dtype == dtype and found.shape == (sum(lengths), *shape)
            assert np.array_equal(found, expected.reshape(found.shape))
        assert dataset.lengths.tolist() == lengths
        assert [f for f in check_dataset(dataset.path) if f.severity == "error"] == []


def test_layout_is_lerobots(tmp_path):
    episodes = make(tmp_path / "d", images="h264")
    root = tmp_path / "d"
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    assert names == [
        "data/chunk-000/file-000.parquet",
        "meta/diorama.json",
        "meta/episodes/chunk-000/file-000.parquet",
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
        f"videos/{CAMERA}/chunk-000/file-000.mp4",
    ]
    data = pq.ParquetFile(root / names[0])
    assert data.metadata.num_row_groups == len(episodes)
    assert {data.metadata.row_group(0).column(k).compression for k in range(5)} == {"SNAPPY"}
    rows = pq.read_table(root / names[2]).to_pylist()
    assert [row["dataset_from_index"] for row in rows] == [0, 5, 12]
    assert rows[2][f"videos/{CAMERA}/from_timestamp"] == pytest.approx(1.2)
    assert np.shape(rows[0][f"stats/{CAMERA}/mean"]) == (3, 1, 1)
    assert b"__index_level_0__" in pq.read_schema(root / "meta/tasks.parquet").metadata[b"pandas"]
    timestamps = pq.read_table(root / names[0], columns=["timestamp"])["timestamp"].to_numpy()
    assert np.array_equal(timestamps[5:12], (np.arange(7) / 10).astype(np.float32))


@pytest.mark.parametrize(("images", "error"), [("png", 0), ("h264", 12), ("av1", 12)])
def test_pictures_come_back(tmp_path, images, error):
    episodes = make(tmp_path / "d", images=images)
    dataset = Dataset.open(tmp_path / "d")
    same_episodes(dataset, episodes)
    for k, columns in enumerate(episodes):
        found = dataset.frames(CAMERA, k)
        assert found.shape == columns[CAMERA].shape and found.dtype == np.uint8
        assert np.abs(found.astype(int) - columns[CAMERA]).mean() <= error
        assert np.array_equal(dataset.frames(CAMERA, k, 2, 4), found[2:4])
    require_sound(tmp_path / "d")


@pytest.mark.parametrize("images", ["png", "h264", "av1"])
def test_extending_keeps_identities_and_rolls_no_file(tmp_path, images):
    episodes = make(tmp_path / "d", images=images)
    before = Dataset.open(tmp_path / "d")
    old = [identity for identity in before.identities]
    with DatasetWriter.extend(tmp_path / "d") as writer:
        episodes.append(episode(6, 9, camera=True))
        writer.append(episodes[-1], task="new task")
    after = Dataset.open(tmp_path / "d")
    same_episodes(after, episodes, camera=images == "png")
    assert [i.exact for i in after.identities[:3]] == [i.exact for i in old] and after.identity != before.identity
    assert len(list((tmp_path / "d").glob("data/*/*"))) == 1
    assert len(list((tmp_path / "d").glob("videos/*/*/*"))) == (images != "png")
    assert after.tasks == ["task 0", "task 1", "new task"] and after.episode_tasks(3) == ["new task"]
    require_sound(tmp_path / "d")


def test_other_video_settings_begin_a_new_file(tmp_path):
    make(tmp_path / "d", images="h264")
    with DatasetWriter.extend(tmp_path / "d", images="av1") as writer:
        writer.append(episode(6, 9, camera=True), task="new task")
    assert len(list((tmp_path / "d").glob("videos/*/*/*"))) == 2
    require_sound(tmp_path / "d")


def test_files_and_chunks_roll_by_size(tmp_path):
    episodes = make(
        tmp_path / "d", (5,) * 7, images="h264", data_files_size_in_mb=0.01, video_files_size_in_mb=0.002, chunks_size=2
    )
    dataset = Dataset.open(tmp_path / "d")
    same_episodes(dataset, episodes)
    assert len(set(dataset.table.files)) > 2 and any("chunk-001" in name for name in dataset.table.files)
    assert len(set(dataset.table.videos[CAMERA].files)) > 2
    require_sound(tmp_path / "d")


def test_statistics_merge_to_those_of_all_rows(tmp_path):
    episodes = make(tmp_path / "d", (5, 70, 23), images="png")
    dataset = Dataset.open(tmp_path / "d")
    everything = np.concatenate([columns["observation.state"] for columns in episodes]).astype(np.float64)
    stats = dataset.stats["observation.state"]
    assert stats["count"].tolist() == [98]
    for name, true in (("min", everything.min(0)), ("max", everything.max(0)), ("mean", everything.mean(0))):
        assert np.allclose(stats[name], true, atol=1e-9)
    assert np.allclose(stats["std"], everything.std(0), atol=1e-9)
    one = dataset.episode_stats(1)["observation.state"]
    assert np.allclose(one["q10"], np.quantile(episodes[1]["observation.state"].astype(np.float64), 0.1, axis=0))
    pixels = np.concatenate([columns[CAMERA] for columns in episodes]) / 255
    assert dataset.stats[CAMERA]["mean"].shape == (3, 1, 1)
    assert np.allclose(dataset.stats[CAMERA]["mean"].ravel(), pixels.mean((0, 1, 2)))


@pytest.mark.parametrize("camera", [False, True])
def test_format_v21_is_read(tmp_path, camera):
    episodes = [episode(length, seed, camera) for seed, length in enumerate((5, 7, 4))]
    make_v21(tmp_path / "old", episodes)
    dataset = Dataset.open(tmp_path / "old")
    same_episodes(dataset, episodes)
    assert dataset.tasks == ["push", "lift"] and dataset.episode_tasks(1) == ["lift"]
    assert dataset.stats["action"]["count"].tolist() == [16]
    if camera:
        found = dataset.frames(CAMERA, 1)
        assert np.abs(found.astype(int) - episodes[1][CAMERA]).mean() < 6
    assert {f.severity for f in check_dataset(tmp_path / "old")} <= {"note"}
    with pytest.raises(DataError, match="only read"):
        DatasetWriter.extend(tmp_path / "old")


def test_identity_is_the_same_in_both_formats_and_sealing_keeps_it(tmp_path):
    episodes = make(tmp_path / "new")
    make_v21(tmp_path / "old", episodes)
    new, old = Dataset.open(tmp_path / "new"), Dataset.open(tmp_path / "old")
    assert old.side is None and old.identity == new.identity
    assert seal(tmp_path / "old", ids=[{"scene": "a"}] * 3) == new.identity
    sealed = Dataset.open(tmp_path / "old")
    assert sealed.identity == new.identity and sealed.identities[2].ids == {"scene": "a"}
    assert sealed.identities[0].motion == new.identities[0].motion


def test_spec_gives_names_bounds_and_period(tmp_path):
    make(tmp_path / "d", images="png", robot_type="arm")
    dataset = Dataset.open(tmp_path / "d")
    spec = dataset.spec()
    assert set(spec.observation) == {"state", "images.top"} and spec.control_period == 0.1 and spec.name == "arm"
    assert spec.observation["state"].names == ("x", "y", "angle")
    low, high = spec.action.bounds()
    actions = dataset.column("action")
    assert (low < actions.min(0)).all() and (high > actions.max(0)).all()
    assert dataset.spec(action_low=-9.0, action_high=(8.0, 9.0)).action.high == (8.0, 9.0)


def test_spec_comes_back_from_the_side_file(tmp_path):
    spec = EnvSpec(
        "lab",
        {
            "state": ArraySpec((3,), "m", -2.0, (1.0, np.inf, 2.0)),
            "camera": ArraySpec((16, 24, 3), "1", 0.0, 255.0, "uint8"),
        },
        ArraySpec((2,), "N", -5.0, 5.0),
        0.02,
    )
    described = features_of(spec)
    assert described["observation.camera"].is_camera and described["next.done"].dtype == "bool"
    columns = episode(5, 0, camera=True)
    columns["observation.camera"] = columns.pop(CAMERA)
    with DatasetWriter(tmp_path / "d", fps=50, features=described, images="png", robot_type="lab", spec=spec) as writer:
        writer.append(columns, task="t")
    found = Dataset.open(tmp_path / "d").spec()
    assert found.action.bounds()[0].tolist() == [-5.0, -5.0] and found.action.unit == "N"
    assert found.control_period == 0.02 and found.observation["state"].bounds()[1].tolist() == [1.0, np.inf, 2.0]
    assert found.observation["camera"].dtype == "uint8"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c | {"action": c["action"][:, :1]}, "shape"),
        (lambda c: c | {"action": c["action"][:-1]}, "different lengths"),
        (lambda c: c | {"action": np.full_like(c["action"], np.nan)}, "NaN"),
        (lambda c: c | {"action": c["action"].astype(np.float64) * 1e300}, "infinity"),
        (lambda c: c | {"next.done": c["next.reward"]}, "dtype"),
        (lambda c: c | {"extra": c["action"]}, "unknown columns"),
        (lambda c: {k: v for k, v in c.items() if k != "action"}, "lacks columns"),
        (lambda c: {k: v[:0] for k, v in c.items()}, "no rows"),
    ],
)
def test_wrong_episodes_are_refused_and_leave_nothing(tmp_path, change, message):
    good = episode(4, 0)
    with DatasetWriter(tmp_path / "d", fps=10, features=PLAIN) as writer:
        with pytest.raises(DataError, match=message):
            writer.append(change(good), task="t")
        writer.append(good, task="t")
    same_episodes(Dataset.open(tmp_path / "d"), [good])


def test_wrong_use_of_the_writer_is_refused(tmp_path):
    make(tmp_path / "d", images="png")
    with pytest.raises(DataError, match="not empty"):
        DatasetWriter(tmp_path / "d", fps=10, features=PLAIN)
    with pytest.raises(ConfigError, match="stores pictures"):
        DatasetWriter.extend(tmp_path / "d", images="h264")
    with pytest.raises(ConfigError, match="choose one of"):
        DatasetWriter(tmp_path / "e", fps=10, features=SEEN, images="gif")
    odd = SEEN | {CAMERA: {"dtype": "image", "shape": [15, 24, 3]}}
    with pytest.raises(DataError, match="even sides"):
        DatasetWriter(tmp_path / "f", fps=10, features=odd)
    with DatasetWriter.extend(tmp_path / "d") as writer:
        with pytest.raises(DataError, match="Another writer"):
            DatasetWriter.extend(tmp_path / "d")
        with pytest.raises(DataError, match="Unknown identifiers"):
            writer.append(episode(4, 0, True), task="t", ids={"colour": "red"})


def test_columns_are_cached_and_read_only(tmp_path):
    make(tmp_path / "d")
    dataset = Dataset.open(tmp_path / "d")
    assert dataset.column("action") is dataset.column("action")
    with pytest.raises(ValueError, match="read-only"):
        dataset.column("action")[0] = 0
    with pytest.raises(DataError, match="no column"):
        dataset.column("nothing")
    with pytest.raises(DataError, match="no episode"):
        dataset.episode(3)


def test_an_empty_dataset_opens(tmp_path):
    DatasetWriter(tmp_path / "d", fps=10, features=PLAIN).close()
    dataset = Dataset.open(tmp_path / "d")
    assert dataset.num_episodes == 0 and dataset.column("action").shape == (0, 2) and dataset.stats == {}
    assert check_dataset(tmp_path / "d") == []


def test_a_column_with_several_axes_has_the_statistics_of_lerobot(tmp_path: Path) -> None:
    """LeRobot 0.4.4 counts a column [T, 3, 2] over T and 3, and reads no dataset whose episodes differ in that."""
    root = tmp_path / "d"
    grid = {"observation.grid": {"dtype": "float32", "shape": [3, 2], "names": None}}
    values = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    with DatasetWriter(root, fps=10, features=grid) as writer:
        writer.append({"observation.grid": values}, task="look")
        writer.append({"observation.grid": values + 24}, task="look")
    dataset, both = Dataset.open(root), np.concatenate([values, values + 24])
    np.testing.assert_allclose(dataset.stats["observation.grid"]["mean"], both.mean((0, 1)))
    np.testing.assert_allclose(dataset.stats["observation.grid"]["std"], both.std((0, 1)))
    assert dataset.episode_stats(1)["observation.grid"]["min"].tolist() == [24.0, 25.0]
    require_sound(root)


@pytest.mark.parametrize("broken", [False, True])
def test_appending_where_the_statistics_are_of_each_entry_or_broken(tmp_path: Path, broken: bool) -> None:
    """Datasets that were converted from v2.1 hold statistics of each entry; ours cannot join those."""
    root = tmp_path / "d"
    grid = {"observation.grid": {"dtype": "float32", "shape": [3, 2], "names": None}}
    values = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    with DatasetWriter(root, fps=10, features=grid) as writer:
        writer.append({"observation.grid": values}, task="look")
    path = root / "meta/stats.json"
    stats = json.loads(path.read_text())
    theirs = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
    entry = {name: value.tolist() for name, value in theirs.items()} | {"count": [4]}
    path.write_text(json.dumps(stats | {"observation.grid": {"mean": [0.0]} if broken else entry}))
    (root / "meta/diorama.json").unlink()
    warned = [finding for finding in check_dataset(root) if finding.severity == "warning"]
    assert len(warned) == int(broken)
    with DatasetWriter.extend(root) as writer:
        writer.append({"observation.grid": values + 24}, task="look")
    found, both = Dataset.open(root).stats["observation.grid"], np.concatenate([values, values + 24])
    np.testing.assert_allclose(found["mean"], both.mean((0, 1)))
    np.testing.assert_allclose(found["std"], both.std((0, 1)))


def test_statistics_are_counted_where_their_file_is_missing(tmp_path: Path) -> None:
    root = tmp_path / "d"
    episodes = make(root)
    (root / "meta/stats.json").unlink()
    (root / "meta/diorama.json").unlink()
    actions = np.concatenate([columns["action"] for columns in episodes])
    np.testing.assert_allclose(Dataset.open(root).stats["action"]["mean"], actions.mean(0), rtol=1e-6)
    assert "There are no statistics of 'action'" in "".join(map(str, check_dataset(root)))

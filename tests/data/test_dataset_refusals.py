"""What readers refuse, with the sentence that says why. Datasets of others: the side file would refuse any edit."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_helpers import CAMERA, episode, make, make_v21

from diorama.core.errors import ConfigError, DataError
from diorama.data import Dataset, check_dataset, guard, seal
from diorama.data.check import require_sound
from diorama.data.features import Feature
from diorama.data.png import decode_picture, encode_png
from diorama.data.video import H264, encode_video

DATA, ROWS = "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"
VIDEO = f"videos/{CAMERA}/chunk-000/file-000.mp4"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "d"
    make(path, images="h264")
    (path / "meta/diorama.json").unlink()
    return path


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "d")


def edit_info(root: Path, **changes) -> None:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_column(path: Path, key: str, change) -> None:
    table = pq.read_table(path)
    values = table[key].to_pylist()
    column = pa.array(change(values), table.schema.field(key).type)
    pq.write_table(table.set_column(table.schema.get_field_index(key), table.schema.field(key), column), path)


def edit_feature(root: Path, key: str, **changes) -> None:
    features = json.loads((root / "meta/info.json").read_text())["features"]
    edit_info(root, features=features | {key: features[key] | changes})


def read_all(root: Path) -> None:
    dataset = Dataset.open(root)
    for k in range(dataset.num_episodes):
        dataset.episode(k)


@pytest.mark.parametrize(
    "template",
    [
        "/etc/file-{file_index:03d}.parquet",
        "../data/file-{file_index}.parquet",
        "data/../../x-{file_index}.parquet",
        "data/{chunk_index.__class__}.parquet",
        "data/{file_index!r}.parquet",
        "data/{file_index:>1000000000d}.parquet",
        "data/{0}.parquet",
        "data/{other}.parquet",
        "data\\..\\{file_index}.parquet",
        "data//{file_index}.parquet",
        "data/{file_index",
        "",
        7,
        None,
        "x" * 400,
    ],
)
def test_escaping_path_templates(root, template):
    edit_info(root, data_path=template)
    with pytest.raises(DataError, match="data_path"):
        Dataset.open(root)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebase_version": "v1.6"}, "convert"),
        ({"fps": 0}, "fps"),
        ({"fps": 20}, "contradict the lengths|frame_index / fps"),
        ({"total_episodes": -1}, "total_episodes"),
        ({"total_episodes": 4}, "total_episodes"),
        ({"total_frames": 15}, "total_frames"),
        ({"total_frames": 2**62}, "total_frames"),
        ({"total_tasks": 3}, "total_tasks"),
        ({"chunks_size": 0}, "chunks_size"),
        ({"features": {}}, "automatic"),
        ({"features": [1]}, "mapping"),
        ({"video_path": None}, "video_path"),
        ({"video_path": "../{video_key}"}, "video_path"),
    ],
)
def test_wrong_info(root, changes, message):
    edit_info(root, **changes)
    with pytest.raises(DataError, match=message):
        read_all(root)


@pytest.mark.parametrize(
    ("key", "changes", "message"),
    [
        ("action", {"shape": [2**27, 2**27]}, "absurd"),
        ("action", {"shape": [2**20, 2**8]}, "absurd"),
        ("action", {"shape": [-1]}, "shape"),
        ("action", {"shape": [3]}, "lists of 3"),
        ("action", {"shape": [1] * 6}, "shape"),
        ("action", {"dtype": "float64"}, "stored as float"),
        ("action", {"dtype": "object"}, "dtype"),
        (CAMERA, {"shape": [16, 22, 3]}, "info.json says"),
        (CAMERA, {"shape": [16, 24]}, "height, width, channels"),
        (CAMERA, {"shape": [16, 24, 7]}, "channels"),
        (CAMERA, {"dtype": "image"}, "lacks the columns"),
        ("timestamp", {"dtype": "float64"}, "timestamp"),
    ],
)
def test_wrong_features(root, key, changes, message):
    edit_feature(root, key, **changes)
    with pytest.raises(DataError, match=message):
        read_all(root)


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "a\0b", "x" * 300])
def test_wrong_feature_names(root, name):
    features = json.loads((root / "meta/info.json").read_text())["features"]
    edit_info(root, features=features | {name: features["action"]})
    with pytest.raises(DataError, match="name"):
        Dataset.open(root)


@pytest.mark.parametrize(
    ("file", "key", "change", "message"),
    [
        (DATA, "action", lambda v: [[np.nan, 0.0], *v[1:]], "NaN"),
        (DATA, "next.reward", lambda v: [np.inf, *v[1:]], "infinity"),
        (DATA, "next.reward", lambda v: [None, *v[1:]], "missing values"),
        (DATA, "index", lambda v: [v[1], v[0], *v[2:]], "'index'"),
        (DATA, "frame_index", lambda v: [-1, *v[1:]], "'frame_index'"),
        (DATA, "episode_index", lambda v: [2, *v[1:]], "'episode_index'"),
        (DATA, "task_index", lambda v: [9, *v[1:]], "tasks that do not exist"),
        (DATA, "task_index", lambda v: [-1, *v[1:]], "tasks that do not exist"),
        (DATA, "task_index", lambda v: [1, *v[1:]], "another task"),
        (DATA, "timestamp", lambda v: [0.01, *v[1:]], "'timestamp'"),
        (ROWS, "length", lambda v: [v[0] + 1, v[1] - 1, v[2]], "contradict"),
        (ROWS, "length", lambda v: [v[0] + v[1] + 1, -1, v[2]], "length 0 or less"),
        (ROWS, "tasks", lambda v: [["no such task"], *v[1:]], "no such task"),
        (ROWS, "tasks", lambda v: [[], *v[1:]], "without a task"),
        (ROWS, "episode_index", lambda v: [1, 0, 2], "episode_index"),
        (ROWS, "data/file_index", lambda v: [7, *v[1:]], "missing"),
        (ROWS, "data/chunk_index", lambda v: [-1, *v[1:]], "negative"),
        (ROWS, f"videos/{CAMERA}/file_index", lambda v: [3, *v[1:]], "missing"),
        (ROWS, f"videos/{CAMERA}/to_timestamp", lambda v: [9.0, *v[1:]], "Video times"),
        (ROWS, f"videos/{CAMERA}/from_timestamp", lambda v: [-0.5, *v[1:]], "Video times"),
        ("meta/tasks.parquet", "task_index", lambda v: [0, 0], "number 2 different tasks"),
    ],
)
def test_wrong_columns(root, file, key, change, message):
    edit_column(root / file, key, change)
    with pytest.raises(DataError, match=message):
        read_all(root)


def test_rows_beyond_the_file(root):
    table = pq.read_table(root / DATA)
    pq.write_table(table.slice(0, 15), root / DATA)
    with pytest.raises(DataError, match="has 15 rows"):
        Dataset.open(root)


@pytest.mark.parametrize("name", [DATA, ROWS, "meta/tasks.parquet"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", b"not a parquet file"])
def test_what_is_no_parquet_file(root, name, content):
    (root / name).write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        Dataset.open(root)


@pytest.mark.parametrize(
    "content", ["[" * 100_000, "", "[1]", '{"fps": NaN}', '{"fps": 1' + "0" * 5000 + "}", "\xff", '{"a": ']
)
def test_json_bombs(root, content):
    (root / "meta/info.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError):
        Dataset.open(root)


def test_json_larger_than_any_metadata_is_not_read(root):
    with pytest.raises(DataError, match="more than the 1000"):
        guard.read_bytes(root / "meta/info.json", 1000)


@pytest.mark.parametrize("name", [DATA, VIDEO, "meta/info.json", "meta/tasks.parquet"])
def test_links_out_of_the_folder(root, name):
    outside = root.parent / "outside"
    os.replace(root / name, outside)
    (root / name).symlink_to(outside)
    with pytest.raises(DataError, match="link that leaves"):
        Dataset.open(root)


def test_a_video_with_fewer_frames(root):
    encode_video(root / VIDEO, np.zeros((14, 16, 24, 3), np.uint8), 10.0, H264())
    dataset = Dataset.open(root)
    dataset.frames(CAMERA, 1)
    with pytest.raises(DataError, match="lacks 2 of 4 frames"):
        dataset.frames(CAMERA, 2)


def test_a_video_at_another_rate(root):
    encode_video(root / VIDEO, np.zeros((40, 16, 24, 3), np.uint8), 14.0, H264())
    with pytest.raises(DataError, match="off the grid|lacks"):
        read_all(root)


def test_what_is_no_video(root):
    (root / VIDEO).write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 100)
    with pytest.raises(DataError, match="file-000.mp4"):
        read_all(root)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("episodes.jsonl", '{"episode_index": 0, "tasks": ["push"], "length": 5}\n', "total_episodes"),
        ("episodes.jsonl", "nonsense\n", "line 1"),
        ("tasks.jsonl", '{"task_index": 1, "task": "push"}\n{"task_index": 1, "task": "lift"}\n', "2 different tasks"),
        ("tasks.jsonl", '{"task_index": 0, "task": "push"}\n{"task_index": 1, "task": "x"}\n', "tasks"),
    ],
)
def test_wrong_v21_metadata(tmp_path, file, content, message):
    make_v21(tmp_path / "old", [episode(5, 0), episode(6, 1)])
    (tmp_path / "old/meta" / file).write_text(content)
    with pytest.raises(DataError, match=message):
        Dataset.open(tmp_path / "old")


def test_a_sealed_dataset_refuses_edits_until_they_are_accepted(tmp_path):
    root = tmp_path / "d"
    make(root)
    edit_column(root / DATA, "next.reward", lambda v: [0.5, *v[1:]])
    with pytest.raises(DataError, match="changed since"):
        Dataset.open(root).column("next.reward")
    findings = check_dataset(root)
    assert findings[0].severity == "error" and "diorama.data.seal" in findings[0].mend
    with pytest.raises(DataError, match="changed since"):
        require_sound(root)
    seal(root)
    assert Dataset.open(root).column("next.reward")[0] == 0.5
    assert Dataset.open(root).identities[1].ids == {"session": "monday"}
    assert [f.fault for f in check_dataset(root)] == ["The statistics of 'next.reward' are not those of the data"]


def test_check_names_what_is_odd_but_readable(root):
    (root / "data/chunk-000/file-009.parquet").write_bytes((root / DATA).read_bytes())
    edit_column(root / DATA, "next.done", lambda v: [False] * len(v))
    faults = {f.fault: f.severity for f in check_dataset(root)}
    assert faults["data/chunk-000/file-009.parquet belongs to no episode (LeRobot reads every file there)"] == "warning"
    assert faults["next.done is false at the last row of episode 0"] == "note"
    assert any("no meta/diorama.json" in fault for fault in faults)


def test_check_finds_equal_episodes(tmp_path):
    from dataset_helpers import PLAIN

    from diorama.data import DatasetWriter

    with DatasetWriter(tmp_path / "d", fps=10, features=PLAIN) as writer:
        for seed in (1, 2, 1):
            writer.append(episode(20, seed), task="t")
    assert [str(f) for f in check_dataset(tmp_path / "d")] == [
        "warning: Episodes 0 and 2 are the same episode; remove one of them."
    ]


def test_a_missing_dataset_is_named(tmp_path):
    with pytest.raises(DataError, match="not a folder"):
        Dataset.open(tmp_path / "nothing")
    with pytest.raises(DataError, match="not a LeRobot dataset"):
        Dataset.open(tmp_path)


def test_video_without_pyav_says_what_to_install(root, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(ConfigError, match=r"pip install 'diorama\[video\]'"):
        Dataset.open(root).frames(CAMERA, 0)


def test_pictures_of_another_size_or_with_damage():
    picture = np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    content = encode_png(picture)
    assert np.array_equal(decode_picture(content, (9, 7, 3), "p"), picture)
    bomb = content[:16] + (60000).to_bytes(4, "big") * 2 + content[24:]
    for wrong in (content[:-20], bomb, content[:60] + b"\0" + content[61:], b"GIF89a", b""):
        with pytest.raises(DataError):
            decode_picture(wrong, (9, 7, 3), "p")
    with pytest.raises(DataError, match="9 x 7"):
        decode_picture(content, (9, 8, 3), "p")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_pictures_of_other_encoders(mode):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    import io

    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    ramp = np.add.outer(np.arange(20), np.arange(30)).astype(np.uint8)
    picture = np.stack([ramp * (k + 1) for k in range(channels)], axis=-1)
    buffer = io.BytesIO()
    image.fromarray(picture.squeeze(), mode).save(buffer, "PNG")
    assert np.array_equal(decode_picture(buffer.getvalue(), picture.shape, "p"), picture)
    assert np.array_equal(np.asarray(image.open(io.BytesIO(encode_png(picture)))), picture.squeeze())


def test_channels_first_pictures_are_understood():
    assert Feature("image", (3, 16, 24), ("channels", "height", "width")).frame_shape == (16, 24, 3)
    assert Feature("video", (3, 16, 24)).frame_shape == (16, 24, 3)
    assert Feature("video", (16, 24, 3)).frame_shape == (16, 24, 3)


@pytest.mark.parametrize("name", [ROWS, "meta/stats.json", "meta/info.json", "meta/tasks.parquet", DATA])
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(root: Path, name: str) -> None:
    (root / name).unlink()
    os.mkfifo(root / name)
    with pytest.raises(DataError):
        _ = Dataset.open(root).stats


@pytest.mark.parametrize("entry", [[0, 0], {"mean": ["a"]}, {"mean": [[1], [1, 2]]}, 3])
def test_statistics_that_are_not_numbers_are_refused(root: Path, entry: object) -> None:
    (root / "meta/stats.json").write_text(json.dumps({"action": entry}))
    with pytest.raises(DataError, match=r"stats\.json"):
        _ = Dataset.open(root).stats

"""``diorama data inspect | check | import`` on good and bad input."""

import shutil

import numpy as np
import pytest

from diorama.data import Dataset, DatasetWriter


@pytest.fixture
def data(loop, tmp_path):
    """A copy of the loop's dataset, to damage."""
    return shutil.copytree(loop / "data", tmp_path / "data")


def test_a_sound_dataset(loop, diorama, capsys) -> None:
    assert diorama("data", "check", loop / "data") == 0
    assert capsys.readouterr().out == "sound\n"


def test_inspection_shows_features_counts_and_version(loop, diorama, capsys) -> None:
    assert diorama("data", "inspect", loop / "data") == 0
    said = capsys.readouterr().out
    dataset = Dataset.open(loop / "data")
    assert "24 episodes, 624 rows; tasks: point-mass" in said and dataset.identity in said
    table = {line.split()[0]: line.split()[1:3] for line in said.splitlines()[4:]}
    assert set(dataset.features) == set(table)
    assert table["observation.position"] == ["float32", "2"] and table["next.done"] == ["bool", "1"]


def test_a_changed_byte_is_an_error_with_its_mend(data, diorama, capsys) -> None:
    path = next((data / "data").rglob("*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert diorama("data", "check", data) == 1
    *findings, summary = capsys.readouterr().out.splitlines()
    assert findings[0].startswith("error: ") and path.name in findings[0] and "; restore" in findings[0]
    assert summary.startswith("1 error")


def test_a_stray_file_is_a_warning_only(data, diorama, capsys) -> None:
    file = next((data / "data").rglob("*.parquet"))
    shutil.copy(file, file.with_name("file-999.parquet"))
    assert diorama("data", "check", data) == 0
    first, summary = capsys.readouterr().out.splitlines()
    assert first.startswith("warning: ") and "file-999.parquet belongs to no episode" in first
    assert first.endswith("delete the file.") and summary == "1 warning"


def test_a_missing_folder_is_an_error(tmp_path, diorama, capsys) -> None:
    assert diorama("data", "check", tmp_path / "none") == 1
    assert "is not a folder; give the folder that holds meta/info.json." in capsys.readouterr().out


def test_hostile_names_are_printed_as_they_are(tmp_path, diorama, capsys) -> None:
    features = {"observation.state": {"dtype": "float32", "shape": [1], "names": None}}
    with DatasetWriter(tmp_path / "d", fps=5, features=features) as writer:
        writer.append({"observation.state": np.zeros((3, 1), np.float32)}, task="[/bold] fold [red]laundry[/red]")
    assert diorama("data", "inspect", tmp_path / "d") == 0
    assert "tasks: [/bold] fold [red]laundry[/red]" in capsys.readouterr().out


def test_import_writes_a_dataset_once(tmp_path, diorama, capsys) -> None:
    vertices = np.random.default_rng(0).normal(size=(2, 6, 5, 3))
    np.savez(tmp_path / "cable.npz", trajectory_id=np.arange(2), vertices_m=vertices)
    assert diorama("data", "import", tmp_path / "cable.npz", "--out", tmp_path / "cable") == 0
    assert f"2 episodes, 12 rows in {tmp_path / 'cable'}" in capsys.readouterr().out
    assert diorama("data", "check", tmp_path / "cable") == 0
    assert diorama("data", "import", tmp_path / "cable.npz", "--out", tmp_path / "cable") == 2
    assert "exists already; choose another folder." in capsys.readouterr().err


def test_a_refused_import_leaves_nothing(tmp_path, diorama, capsys) -> None:
    np.savez(tmp_path / "bad.npz", trajectory_id=np.arange(3), vertices_m=np.zeros((2, 6, 5, 3)))
    assert diorama("data", "import", tmp_path / "bad.npz", "--out", tmp_path / "out") == 2
    assert "has shape (2, 6, 5, 3) for 3 trajectories" in capsys.readouterr().err
    assert diorama("data", "import", tmp_path / "bad.npz", "--out", tmp_path / "out", "--format", "video") == 2
    assert "Unknown format 'video'; choose one of" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.npz"]

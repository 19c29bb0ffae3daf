"""Importers: small foreign files made here, and the shared measurements where they are present."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from diorama.core.errors import DataError
from diorama.data.dataset import Dataset
from diorama.data.importers import FORMATS, import_dataset
from diorama.data.windows import Windows

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_measurements = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared measurements are not on this machine")


def pusht(path, ends=(4, 6, 11), img_scale=1.0, zarr_format=2, **more):
    """A store like that of Diffusion Policy's Push-T."""
    zarr = pytest.importorskip("zarr")
    rows, rng = 11, np.random.default_rng(0)
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    arrays = {
        "state": rng.normal(size=(rows, 5)),
        "action": rng.normal(size=(rows, 2)).astype(np.float32),
        "keypoint": rng.normal(size=(rows, 9, 2)).astype(np.float32),
        "n_contacts": np.arange(rows, dtype=np.float32)[:, None],
        "img": (rng.integers(0, 256, (rows, 16, 16, 3)) * img_scale).astype(np.float32),
    } | more
    for name, values in arrays.items():
        root.create_array(f"data/{name}", data=values)
    root.create_array("meta/episode_ends", data=np.array(ends, np.int64))
    return arrays


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_comes_back_equal(tmp_path, zarr_format):
    arrays = pusht(tmp_path / "pusht.zarr", zarr_format=zarr_format)
    dataset = Dataset.open(import_dataset(tmp_path / "pusht.zarr", tmp_path / "out", fps=10))
    assert dataset.lengths.tolist() == [4, 2, 5] and dataset.fps == 10
    for key, name in [("state", "observation.state"), ("action", "action"), ("keypoint", "observation.keypoint")]:
        assert np.array_equal(dataset.column(name), arrays[key].astype(np.float32))
    assert np.array_equal(dataset.frames("observation.images.img", 1), arrays["img"][4:6].astype(np.uint8))
    assert dataset.identities[1].ids == {"session": "pusht.zarr#1"}
    assert dataset.tasks == ["pusht"]
    assert Windows(dataset, 3, ["state"]).take(np.array([0])).action.tolist() == [arrays["action"][:3].tolist()]


def test_zipped_zarr_and_pictures_in_unit_range(tmp_path):
    arrays = pusht(tmp_path / "pusht.zarr", img_scale=1 / 255)
    with zipfile.ZipFile(tmp_path / "pusht.zarr.zip", "w") as archive:
        for path in sorted((tmp_path / "pusht.zarr").rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(tmp_path / "pusht.zarr"))
    dataset = Dataset.open(import_dataset(tmp_path / "pusht.zarr.zip", tmp_path / "out", fps=10))
    wanted = np.rint(arrays["img"] * 255).astype(np.uint8)
    assert np.array_equal(dataset.frames("observation.images.img", 0), wanted[:4])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ends": (4, 3, 11)}, "does not increase"),
        ({"ends": (4, 12)}, "11 rows, 12 are needed"),
        ({"ends": (4.0, 11.5), "state": np.zeros((3, 5))}, "3 rows"),
        ({"img_scale": 2.0}, "leave 0 to 255"),
        ({"state": np.full((11, 2), np.nan)}, "NaN"),
    ],
)
def test_odd_zarr_stores_are_refused_and_leave_nothing(tmp_path, change, sentence):
    pusht(tmp_path / "odd.zarr", **change)
    with pytest.raises(DataError, match=sentence):
        import_dataset(tmp_path / "odd.zarr", tmp_path / "out", fps=10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.zarr"]


def test_zarr_that_could_execute_code_is_refused_unread(tmp_path):
    pusht(tmp_path / "evil.zarr")
    facts = tmp_path / "evil.zarr" / "data" / "state" / ".zarray"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"filters": [{"id": "pickle", "protocol": 5}]}))
    with pytest.raises(DataError, match="pickle"):
        import_dataset(tmp_path / "evil.zarr", tmp_path / "out", fps=10)


def test_zarr_with_missing_or_broken_parts_is_refused(tmp_path):
    pusht(tmp_path / "bad.zarr")
    chunk = next(p for p in (tmp_path / "bad.zarr" / "data" / "img").iterdir() if p.name[0].isdigit())
    chunk.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="damaged"):
        import_dataset(tmp_path / "bad.zarr", tmp_path / "out", fps=10)
    facts = tmp_path / "bad.zarr" / "data" / "img" / ".zarray"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"shape": [11, 10**6, 10**6, 3]}))
    with pytest.raises(DataError, match="absurd"):
        import_dataset(tmp_path / "bad.zarr", tmp_path / "out", fps=10)


def demos(path, next_obs=True, lengths=(3, 4), **attributes):
    """A file like those of robomimic."""
    h5py = pytest.importorskip("h5py")
    rng, made = np.random.default_rng(0), []
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs.update(attributes)
        # Eleven demonstrations would sort demo_10 before demo_2 as text; the number counts.
        for number, length in zip((2, 10), lengths, strict=True):
            demo = {
                "actions": rng.normal(size=(length, 7)),
                "rewards": np.arange(length, dtype=np.float64),
                "dones": (np.arange(length) == length - 1).astype(np.int64),
                "obs/eef": rng.normal(size=(length + 1, 3)),
                "obs/agentview_image": rng.integers(0, 256, (length + 1, 16, 16, 3), dtype=np.uint8),
            }
            made.append(demo)
            for key, values in demo.items():
                data[f"demo_{number}/{key}"] = values[:length]
                if next_obs and key.startswith("obs/"):
                    data[f"demo_{number}/next_{key}"] = values[1:]
    return made


@pytest.mark.parametrize("next_obs", [True, False])
def test_hdf5_comes_back_equal(tmp_path, next_obs):
    args = json.dumps({"env_kwargs": {"control_freq": 20}})
    made = demos(tmp_path / "low.hdf5", next_obs, env_args=args)
    dataset = Dataset.open(import_dataset(tmp_path / "low.hdf5", tmp_path / "out", task="lift the cube"))
    assert dataset.fps == 20 and dataset.tasks == ["lift the cube"]
    assert dataset.lengths.tolist() == [3 + next_obs, 4 + next_obs]
    rows = int(dataset.lengths[0])
    assert np.array_equal(dataset.column("observation.eef")[:rows], made[0]["obs/eef"][:rows].astype(np.float32))
    assert np.array_equal(
        dataset.frames("observation.images.agentview_image", 1), made[1]["obs/agentview_image"][: 4 + next_obs]
    )
    window = Windows(dataset, rows - 1, ["eef"]).take(np.array([0]))
    assert window.reward.tolist() == [[0.0, 1.0, 2.0][: rows - 1]]
    assert window.end.tolist() == [[False, False, True][: rows - 1]]


def test_odd_hdf5_files_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    demos(tmp_path / "no_rate.hdf5")
    with pytest.raises(DataError, match="give fps"):
        import_dataset(tmp_path / "no_rate.hdf5", tmp_path / "out")

    def refuse(name, harm, sentence):
        demos(tmp_path / name)
        with h5py.File(tmp_path / name, "a") as file:
            harm(file["data"])
        with pytest.raises(DataError, match=sentence):
            import_dataset(tmp_path / name, tmp_path / "out", fps=20)

    def link(data):
        del data["demo_2/actions"]
        data["demo_2/actions"] = h5py.ExternalLink("/etc/hostname", "/data")

    def outside(data):
        del data["demo_2/actions"]
        data["demo_2"].create_dataset("actions", (3, 7), "u1", external=[("/etc/hostname", 0, 21)])

    def huge(data):
        del data["demo_2/actions"]
        data["demo_2"].create_dataset("actions", (3, 2**40), "f8", chunks=(1, 1024))

    refuse("link.hdf5", link, "is a link")
    refuse("outside.hdf5", outside, "another file")
    refuse("huge.hdf5", huge, "absurd")
    refuse("short.hdf5", lambda data: data["demo_10"].move("obs/eef", "obs/other"), "other observations")
    refuse("none.hdf5", lambda data: data.move("demo_2/actions", "demo_2/action"), "no /data/demo_2/actions")
    (tmp_path / "cut.hdf5").write_bytes((tmp_path / "no_rate.hdf5").read_bytes()[:1000])
    with pytest.raises(DataError, match="damaged"):
        import_dataset(tmp_path / "cut.hdf5", tmp_path / "out", fps=20)
    assert not (tmp_path / "out").exists()


def tosses(path, **change):
    rng, lengths = np.random.default_rng(0), np.array([3, 5], np.int32)
    arrays = {"toss_id": np.array([4, 9], np.int32), "length": lengths}
    for name, width in [("position_m", 3), ("quaternion_wxyz", 4), ("velocity_m_s", 3), ("angular_velocity_rad_s", 3)]:
        arrays[name] = rng.normal(size=(8, width)).astype(np.float32)
    np.savez(path, **(arrays | change))
    return arrays


def test_tosses_come_back_equal(tmp_path):
    arrays = tosses(tmp_path / "tosses.npz")
    dataset = Dataset.open(import_dataset(tmp_path / "tosses.npz", tmp_path / "out"))
    assert dataset.fps == 148 and dataset.lengths.tolist() == [3, 5]
    assert np.array_equal(dataset.column("observation.quaternion"), arrays["quaternion_wxyz"])
    assert not dataset.column("action").any() and list(dataset.features["action"]["names"]) == ["no_action"]
    assert dataset.identities[1].ids == {"session": "tosses.npz#9"} and dataset.tasks == ["toss a cube"]


def test_cables_come_back_equal_and_the_action_leads(tmp_path):
    vertices = np.random.default_rng(0).normal(size=(2, 6, 7, 3)).astype(np.float32)
    np.savez(tmp_path / "dlo9_train.npz", trajectory_id=np.arange(2), vertices_m=vertices)
    dataset = Dataset.open(import_dataset(tmp_path / "dlo9_train.npz", tmp_path / "out"))
    window = Windows(dataset, 5).take(np.array([0, 1]))
    assert np.array_equal(window.observation["vertices"].reshape(2, 6, 7, 3), vertices)
    after = window.observation["vertices"].reshape(2, 6, 7, 3)[:, 1:, [0, 1, 5, 6]]
    assert np.array_equal(window.action.reshape(2, 5, 4, 3), after)
    assert dataset.features["action"]["names"][-1] == "vertex_6_z_m"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"length": np.array([3, 6])}, "add up to 9"),
        ({"length": np.array([-1, 9])}, "inconsistent"),
        ({"position_m": np.full((8, 3), np.inf)}, "not finite"),
        ({"position_m": np.array([{}] * 8, object)}, "pickle"),
        ({"position_m": np.zeros((8, 2))}, "inconsistent"),
    ],
)
def test_odd_tosses_are_refused(tmp_path, change, sentence):
    tosses(tmp_path / "tosses.npz", **change)
    with pytest.raises(DataError, match=sentence):
        import_dataset(tmp_path / "tosses.npz", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tosses.npz"]


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("diorama.data.importers.npz.EPISODE_BYTES", 100)
    tosses(tmp_path / "tosses.npz")
    with pytest.raises(DataError, match="unpacks to"):
        import_dataset(tmp_path / "tosses.npz", tmp_path / "out")


def test_requests_that_cannot_be_met(tmp_path, monkeypatch):
    tosses(tmp_path / "tosses.npz")
    (tmp_path / "notes.txt").write_text("nothing")
    for source, out, options, sentence in [
        ("absent", "out", {}, "does not exist"),
        ("notes.txt", "out", {}, "none of the formats"),
        ("tosses.npz", "notes.txt", {}, "exists already"),
        ("tosses.npz", "out", {"format": "rlds"}, "Unknown format"),
        ("notes.txt", "out", {"format": FORMATS[2].name}, "damaged"),
    ]:
        with pytest.raises(DataError, match=sentence):
            import_dataset(tmp_path / source, tmp_path / out, **options)
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "x.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match=r"pip install 'diorama\[import\]'"):
        import_dataset(tmp_path / "x.hdf5", tmp_path / "out")


@needs_measurements
def test_measured_tosses(tmp_path):
    with np.load(SHARED / "cube-tosses" / "tosses.npz") as archive:
        lengths = archive["length"]
        assert len(lengths) == 455 and lengths.sum() == len(archive["position_m"])
        rows = int(lengths[:30].sum())
        short = {name: archive[name][: 30 if name in ("toss_id", "length") else rows] for name in archive.files}
    np.savez(tmp_path / "tosses.npz", **short)
    dataset = Dataset.open(import_dataset(tmp_path / "tosses.npz", tmp_path / "out"))
    assert dataset.lengths.tolist() == lengths[:30].tolist()
    height = dataset.column("observation.position")[:, 2]
    last = height[dataset.starts + dataset.lengths - 1]
    # At rest a cube lies on a face: its centre is one half-width, 0.0524 m, above the table.
    assert abs(float(np.median(last)) - 0.0524) < 0.005


@needs_measurements
def test_measured_cables(tmp_path):
    dataset = Dataset.open(import_dataset(SHARED / "dlo-mocap" / "dlo1_eval.npz", tmp_path / "out"))
    assert dataset.lengths.tolist() == [500] * 14 and dataset.column("observation.vertices").shape == (7000, 39)
    assert Windows(dataset, 499).sample(np.random.default_rng(0), 2).action.shape == (2, 499, 12)

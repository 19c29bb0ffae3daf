"""Windows over pictures: the cache is built once, found again, and rebuilt when it is not what it should be."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from diorama.core.errors import DataError
from diorama.data.features import Feature
from diorama.data.frame_cache import FrameCache
from diorama.data.windows import Repeat, Windows

KEY = "observation.images.top"


@dataclass
class Film:
    """Frames whose every pixel is 16 * episode + t; counts how often it is decoded."""

    path: Path
    lengths: np.ndarray = field(default_factory=lambda: np.array([5, 1, 7]))
    identity: str = "film"
    camera_keys: tuple = (KEY,)
    decoded: int = 0

    def __post_init__(self):
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        self.features = {
            KEY: Feature("video", (3, 4, 6), ("channels", "height", "width")),
            "action": Feature("float32", (1,)),
        }

    def column(self, key):
        return np.zeros((int(self.lengths.sum()), 1), np.float32)

    def frames(self, key, episode):
        self.decoded += 1
        t = np.arange(self.lengths[episode], dtype=np.uint8)
        return np.broadcast_to((16 * episode + t)[:, None, None, None], (len(t), 4, 6, 3)).copy()


@pytest.fixture
def film(tmp_path):
    return Film(tmp_path)


def cache_files(film, suffix):
    return sorted((film.path / ".cache" / "frames").glob(f"*{suffix}"))


def open_cache(film, **options):
    return FrameCache(quiet=True, **options).open(film, KEY)


@pytest.mark.parametrize("skip", [1, 2])
def test_frames_are_those_of_their_rows(film, skip):
    made = Windows(film, 2, frame_skip=skip, tail=Repeat(), frames=FrameCache(quiet=True))
    window = made.take(np.arange(len(made)))
    frames = window.observation["images.top"]
    assert frames.shape == (len(made), 3, 4, 6, 3) and frames.dtype == np.uint8
    rows = [(e, t) for e, n in enumerate(film.lengths) for t in range(n - skip)]
    for clip, (episode, start) in zip(frames, rows, strict=True):
        real = min(2, (film.lengths[episode] - 1 - start) // skip)
        wanted = [16 * episode + start + min(k, real) * skip for k in range(3)]
        assert (clip == np.array(wanted)[:, None, None, None]).all()


def test_whole_clips_and_single_rows_agree(film):
    whole = Windows(film, 2, {"top": KEY}, frames=FrameCache(quiet=True))
    padded = Windows(film, 2, {"top": KEY}, tail=Repeat(), frames=FrameCache(quiet=True))
    # Of the 4 + 6 padded windows, the last of each episode lacks a step.
    same = padded.take(np.array([0, 1, 2, 4, 5, 6, 7, 8]))
    assert np.array_equal(whole.take(np.arange(8)).observation["top"], same.observation["top"])
    assert padded.take(np.array([3])).mask.tolist() == [[True, False]]


def test_cache_is_built_once_and_never_writable(film):
    first = open_cache(film)
    assert film.decoded == 3 and first.shape == (13, 4, 6, 3)
    again = open_cache(film)
    assert film.decoded == 3 and np.array_equal(first, again)
    with pytest.raises(ValueError, match="read-only"):
        again[0] = 0
    assert FrameCache().bytes_needed(film, KEY) == 13 * 4 * 6 * 3
    assert [p.suffix for p in sorted((film.path / ".cache" / "frames").iterdir())] == [".json", ".npy"]


def truncate(film):
    os.truncate(cache_files(film, ".npy")[0], 500)


def flip(film):
    path = cache_files(film, ".npy")[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def drop_sidecar(film):
    cache_files(film, ".json")[0].unlink()


def spoil_sidecar(film):
    cache_files(film, ".json")[0].write_text('{"crc32": [1]}')


def hostile_header(film):
    np.save(cache_files(film, ".npy")[0], np.array([{}], object), allow_pickle=True)


@pytest.mark.parametrize("harm", [truncate, flip, drop_sidecar, spoil_sidecar, hostile_header])
def test_a_damaged_cache_is_rebuilt(film, harm):
    good = np.array(open_cache(film))
    harm(film)
    assert np.array_equal(open_cache(film), good)
    assert film.decoded == 6


def test_another_version_of_the_dataset_has_another_cache(film):
    open_cache(film)
    film.identity = "other"
    open_cache(film)
    assert film.decoded == 6 and len(cache_files(film, ".npy")) == len(cache_files(film, ".json")) == 1


def test_changed_pictures_have_another_cache_though_the_version_is_the_same(film):
    open_cache(film)
    (film.path / "videos").mkdir()
    (film.path / "videos" / "file.mp4").write_text("encoded again")
    open_cache(film)
    assert film.decoded == 6
    open_cache(film)
    assert film.decoded == 6


def test_a_broken_build_leaves_nothing_behind(film):
    film.lengths = np.array([5, 1, 7])
    whole = film.frames
    film.frames = lambda key, episode: whole(key, episode)[: 7 - 2 * (episode == 2)]
    with pytest.raises(DataError, match="Episode 2 .* do not belong together"):
        open_cache(film)
    assert list((film.path / ".cache" / "frames").iterdir()) == []


def test_read_only_dataset_falls_back_to_the_users_cache(film, tmp_path, monkeypatch):
    film.path = tmp_path / "dataset"
    film.path.write_text("a file, so that no folder can be made inside it, not even by root")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    open_cache(film)
    assert len(list((tmp_path / "home" / "diorama" / "frames").glob("*.npy"))) == 1


def test_a_chosen_folder_is_used_and_an_impossible_one_refused(film, tmp_path):
    open_cache(film, directory=tmp_path / "elsewhere")
    assert len(list((tmp_path / "elsewhere").glob("*.npy"))) == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="writable folder"):
        open_cache(film, directory=tmp_path / "file")


def test_size_is_said_before_decoding_and_a_full_disk_is_refused(film, capsys, monkeypatch):
    FrameCache().open(film, KEY)
    said = capsys.readouterr().err
    assert said.startswith(f"Decoding {KEY}: 0.0 MiB to {film.path}") and said.count("\n") == 1
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100}))
    film.identity = "larger"
    with pytest.raises(DataError, match="free"):
        open_cache(film)
    assert film.decoded == 3


def test_only_cameras_have_frames(film):
    with pytest.raises(DataError, match="no camera"):
        FrameCache(quiet=True).open(film, "action")


def test_sidecar_is_plain_json(film):
    open_cache(film)
    facts = json.loads(cache_files(film, ".json")[0].read_text())
    assert facts["key"] == KEY and facts["shape"] == [13, 4, 6, 3] and len(facts["crc32"]) == 3

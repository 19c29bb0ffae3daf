"""Films, strips and curves of Push-T: what is drawn is what was given."""

import numpy as np
import pytest

from diorama.envs.pusht.geometry import DEFAULT_GOAL
from diorama.studio import push_t_film
from diorama.studio.page import Page
from diorama.studio.push_t_curves import learning_figure, rounds_figure, rounds_table, stages_of
from diorama.studio.push_t_film import BESIDE, add_film
from diorama.studio.push_t_picture import covered, film, strip

BLUE, GREY = np.array([65, 105, 225]), np.array([119, 136, 153])


def rows(steps: int) -> np.ndarray:
    """The agent goes right along the upper edge, the block stands below on the left."""
    track = np.zeros((steps, 8), np.float32)
    track[:, 0] = np.linspace(60, 450, steps)
    track[:, 1], track[:, 4], track[:, 5], track[:, 6] = 60, 120, 330, 1
    return track


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return film({"reality": rows(5), "imagined": rows(5)}, 0.2, 2)


def places(frame: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Rows and columns of the pixels of one colour, ``[N, 2]``."""
    return np.argwhere(np.abs(frame.astype(int) - colour).max(axis=-1) < 12)


def test_a_film_is_ready_for_an_encoder(frames) -> None:
    assert frames.dtype == np.uint8 and frames.shape[0] == 5 and frames.shape[3] == 3
    assert frames.shape[1] % 2 == 0 and frames.shape[2] % 2 == 0


def test_the_panels_are_locked_to_each_other(frames) -> None:
    """Both show the same track, so at every frame all that moves is the same, half a picture apart."""
    half = frames.shape[2] // 2
    for frame in frames:
        for colour in (BLUE, GREY):
            found = [places(side, colour) for side in (frame[:, :half], frame[:, half:])]
            assert len(found[0]) and np.abs(found[0].mean(axis=0) - found[1].mean(axis=0)).max() < 1


def test_only_the_agent_moves_and_nothing_is_left_behind(frames) -> None:
    half = frames.shape[2] // 2
    agents = [places(frame[:, :half], BLUE) for frame in frames]
    across = [found[:, 1].mean() for found in agents]
    assert np.allclose(np.diff(across), (450 - 60) / 4 / 512 * 0.94 * half, atol=1.5)
    assert len({len(found) for found in agents}) == 1 or np.ptp([len(found) for found in agents]) < 40
    blocks = [places(frame[:, :half], GREY).mean(axis=0) for frame in frames]
    assert np.abs(np.diff(blocks, axis=0)).max() < 0.5


def test_coverage_is_full_in_the_goal_and_none_far_away() -> None:
    track = rows(2)
    track[0, 4:6] = 100, 20
    track[1, 4:6], angle = DEFAULT_GOAL[:2], DEFAULT_GOAL[2]
    track[1, 6:8] = np.cos(angle), np.sin(angle)
    assert covered(track) == pytest.approx([0.0, 1.0], abs=1e-3)


def test_a_strip_names_rows_and_times() -> None:
    figure = strip({"reality": rows(3), "imagined": rows(3)}, np.array([0.0, 0.8, 1.6]))
    axes = figure.get_axes()
    assert [axis.get_title() for axis in axes[:3]] == ["0.0 s", "0.8 s", "1.6 s"]
    assert [axes[k].get_ylabel() for k in (0, 3)] == ["reality", "imagined"]


@pytest.mark.parametrize(("steps", "kept", "shown"), [(5, 5, 200), (61, 31, 400)])
def test_a_gif_runs_at_the_true_speed(tmp_path, steps: int, kept: int, shown: int) -> None:
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (steps, 8, 8, 3), np.uint8)
    push_t_film._write_gif(tmp_path / "a.gif", noise, 0.2)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == kept and image.info["duration"] == shown and image.info["loop"] == 0


@pytest.fixture
def filmed(tmp_path, frames):
    (tmp_path / "figures").mkdir()
    push_t_film._write(tmp_path, BESIDE, frames, 0.2)
    return tmp_path


def html_of(folder) -> str:
    page = Page("A title", "The result.")
    add_film(page, folder, BESIDE, "Left & right.")
    return page.write(folder).read_text()


def test_a_small_film_is_inside_the_page(filmed) -> None:
    pytest.importorskip("av")
    text = html_of(filmed)
    assert 'src="data:video/mp4;base64,' in text and "Left &amp; right." in text
    assert f"![Left & right.](figures/{BESIDE}.gif)" in (filmed / "report.md").read_text()


def test_a_large_film_is_linked(filmed, monkeypatch) -> None:
    pytest.importorskip("av")
    monkeypatch.setattr(push_t_film, "_EMBEDDED_BYTES", 10)
    assert f'src="figures/{BESIDE}.mp4"' in html_of(filmed)


def test_without_pyav_there_is_a_gif(tmp_path, frames, monkeypatch) -> None:
    from diorama.core.errors import ConfigError

    def refuse(codec: object) -> None:
        raise ConfigError("Video needs PyAV; install it.")

    monkeypatch.setattr(push_t_film, "check_encoder", refuse)
    (tmp_path / "figures").mkdir()
    push_t_film._write(tmp_path, BESIDE, frames, 0.2)
    assert [path.name for path in (tmp_path / "figures").iterdir()] == [f"{BESIDE}.gif"]
    assert 'src="data:image/gif;base64,' in html_of(tmp_path)


def test_an_mp4_has_every_frame_at_its_time(filmed, frames) -> None:
    from diorama.data.video import VideoReader

    pytest.importorskip("av")
    reader = VideoReader(filmed / "figures" / f"{BESIDE}.mp4", frames.shape[1:], 5.0)
    read = reader.frames(0.0, 0, len(frames))
    reader.close()
    assert np.abs(read.astype(int) - frames).mean() < 3


def spent(value: float, samples: int, transitions: int) -> dict:
    estimate = {"value": value, "low": value - 0.1, "high": value + 0.1}
    return {"samples": samples, "transitions": transitions, "estimates": {"coverage": estimate, "success": estimate}}


ROUNDS = [spent(0.2, 1_000_000, 12_000), spent(0.5, 2_000_000, 16_000), spent(0.7, 3_000_000, 20_000)]


def test_rounds_are_a_table_and_curves_with_intervals() -> None:
    header, table = rounds_table(ROUNDS)
    assert header == ["round", "imagined steps", "real transitions", "coverage", "success"]
    assert table[1] == ["1", "2,000,000", "16,000", "0.500 [0.400, 0.600]", "0.500 [0.400, 0.600]"]
    left, right = rounds_figure(ROUNDS, {"coverage": {"value": 0.1}}, "coverage").get_axes()
    for axis, first in ((left, 1.0), (right, 12.0)):
        line, bars = axis.containers[0].lines[0], axis.containers[0].lines[2][0]
        assert line.get_xdata()[0] == pytest.approx(first, rel=0.03), (
            "beside its place, so that bars do not hide each other"
        )
        assert line.get_ydata() == pytest.approx([0.2, 0.5, 0.7])
        assert [bar[:, 1].tolist() for bar in bars.get_segments()][1] == pytest.approx([0.4, 0.6])


def test_one_round_is_a_point() -> None:
    left, _ = rounds_figure(ROUNDS[:1], {"coverage": {"value": 0.1}}, "coverage").get_axes()
    assert left.get_xlim()[1] > 1.0


def test_learning_curves_follow_the_stages_of_all_rounds() -> None:
    push_t = pytest.importorskip("diorama.recipes.push_t", exc_type=ImportError)
    config = push_t.push_t_config("xs", 0)
    world, local, train = stages_of(config)
    assert world == ["fit-world-0", "fit-world-1", "fit"]
    assert local == ["fit-local-0", "fit-local-1", "fit-local"] and train == ["train-0", "train-1", "train"]
    metrics = [
        {"stage": stage, "step": step, name: 1.0}
        for stages, name in ((world, "held_out"), (local, "held_out"), (train, "return"), (train, "entropy"))
        for stage in stages
        for step in (10, 20)
    ]
    for axis in learning_figure(metrics, config).get_axes():
        curves = [line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_color() == "#0072B2"]
        assert [line.get_xdata()[-1] for line in curves] == [20, 40, 60]

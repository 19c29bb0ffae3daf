"""The films of a Push-T run: reality beside imagination, and the policy at work in reality.

``figures/NAME.gif`` always, ``figures/NAME.mp4`` where PyAV is installed.
"""

import base64
import html
from pathlib import Path
from typing import Any

import jax
import numpy as np

from diorama.core import Trajectory, Window, WorldModel
from diorama.core.errors import ConfigError
from diorama.data.video import H264, check_encoder, encode_video
from diorama.envs.adapters import run_host
from diorama.exam.open_loop import imagine_windows
from diorama.models import load as load_model
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.latent_policies import load as load_policy
from diorama.recipes.loop import POLICY, WORLD
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.tasks import find_task
from diorama.studio.page import Page
from diorama.studio.push_t_picture import film

BESIDE, AT_WORK = "real_beside_imagined", "policy_in_reality"
SHOWN_STEPS = 50
"""Steps of reality beside imagination: 10 s, three times the horizon that the policy is trained on."""
_EPISODES, _COLUMNS = 8, 4
_EMBEDDED_BYTES = 2_000_000
_CODEC = H264(crf=24, gop=25)
_MANY_FRAMES, _COLOURS = 60, 48


def make_films(run: RunFolder, config: CoupledConfig, scores: dict[str, Any], metric: str) -> dict[str, Any]:
    """Play the test episodes that the films show, and write the films; a second call only says what was shown.

    ``scores``: the record of the trained policy's test. Returns ``beside``: the seed of the episode of reality beside
    imagination, the one with the median score, and ``at_work``: the seeds of the other film, the first of the test.
    """
    if (note := run.finished("films")) and all(_gif(run.path, name).exists() for name in (BESIDE, AT_WORK)):
        return note
    order = np.argsort(scores["scores"][metric], kind="stable")
    note = {"beside": scores["seeds"][order[len(order) // 2]], "at_work": scores["seeds"][:_EPISODES]}
    env, policy = find_task(config.task).env(), load_policy(run.path / POLICY)
    (run.path / "figures").mkdir(exist_ok=True)
    seen = run_host(env, policy, [note["beside"]], min(SHOWN_STEPS, scores["length"]))
    panels = _beside(run.path, seen, config.seed)
    _write(run.path, BESIDE, film(panels, env.spec.control_period, 2), env.spec.control_period)
    seen = run_host(env, policy, note["at_work"], scores["length"])
    panels = {f"seed {seed}": _rows(seen, k) for k, seed in enumerate(note["at_work"])}
    columns = min(_COLUMNS, len(panels))
    _write(run.path, AT_WORK, film(panels, env.spec.control_period, columns), env.spec.control_period)
    run.finish("films", note)
    return note


def _rows(seen: Trajectory, episode: int = 0) -> np.ndarray:
    """The ``features`` [T + 1, 8] of an episode."""
    return np.asarray(seen.observation["features"][episode])


def _beside(run: Path, seen: Trajectory, seed: int) -> dict[str, np.ndarray]:
    """An episode as the global world sees it, and what it imagines from the first observation under the same actions.

    ``features`` [T + 1, 8], or pictures.
    """
    model = load_model(run / WORLD)
    name = shown_of(model)
    window = Window(seen.observation, seen.action, seen.reward, seen.end, seen.mask)
    dreamed, _ = imagine_windows(model, jax.tree.map(np.asarray, window), seed)
    real = np.asarray(seen.observation[name][0])
    rows = np.concatenate([real[:1], dreamed[name][0]])
    # Where the episode ended early, reality stands still; so does what is beside it.
    last = int(np.asarray(seen.mask[0]).sum())
    return {"reality": real, "imagined": rows[np.minimum(np.arange(len(rows)), last)]}


def shown_of(model: WorldModel) -> str:
    """The observation of a global world of Push-T that is drawn: ``features``, or ``pixels`` where it has no others."""
    return "features" if "features" in model.spec.observation else "pixels"


def _gif(run: Path, name: str) -> Path:
    return run / "figures" / f"{name}.gif"


def _write(run: Path, name: str, frames: np.ndarray, period: float) -> None:
    _write_gif(_gif(run, name), frames, period)
    try:
        check_encoder(_CODEC)
    except ConfigError:
        return
    encode_video(run / "figures" / f"{name}.mp4", frames, 1.0 / period, _CODEC)


def _write_gif(path: Path, frames: np.ndarray, period: float) -> None:
    """A GIF of all frames, or of every second one where there are many; it runs at the true speed."""
    # Pillow comes with Matplotlib.
    from PIL import Image

    stride = 2 if len(frames) > _MANY_FRAMES else 1
    pictures = [Image.fromarray(frame) for frame in frames[::stride]]
    palette = pictures[-1].quantize(_COLOURS)
    first, *rest = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    first.save(path, save_all=True, append_images=rest, duration=round(1000 * period * stride), loop=0)


def add_film(page: Page, run: Path, name: str, caption: str) -> None:
    """A film that was made, on a page: inside the HTML where it is small, else by its file; Markdown shows the GIF."""
    moving, still = run / "figures" / f"{name}.mp4", _gif(run, name)
    shown = moving if moving.exists() else still
    source = f"figures/{shown.name}"
    if shown.stat().st_size <= _EMBEDDED_BYTES:
        kind = "video/mp4" if shown is moving else "image/gif"
        source = f"data:{kind};base64,{base64.b64encode(shown.read_bytes()).decode()}"
    text = html.escape(caption)
    if shown is moving:
        tag = f'<video controls autoplay muted loop playsinline style="max-width:100%" src="{source}"></video>'
    else:
        tag = f'<img alt="{text}" src="{source}">'
    also = f" As a video: [{moving.name}](figures/{moving.name})." if shown is moving else ""
    page.block(
        f"<figure>{tag}<figcaption>{text}</figcaption></figure>",
        f"![{caption}](figures/{still.name})\n\n{caption}{also}",
    )

"""Push-T from pictures alone: the loop of `diorama.recipes.push_t` with worlds that draw and a policy that believes.

Source: arXiv 2602.06219. The global world is a diffusion model of pictures with a learned reward head; the local one is
a recurrent latent model of the same pictures. The policy sees what the local model believes, in imagination and in
reality, and its gradient is decoupled (`diorama.imagine.latent`). In pictures of 32 px a pixel is 16 px of the table.
"""

from collections.abc import Callable

from diorama.learn.config import FirstOrderConfig, FitConfig
from diorama.learn.progress import Report
from diorama.models.diffusion.config import DiffusionConfig
from diorama.models.rssm.config import RSSMConfig
from diorama.policies.config import ActorConfig
from diorama.recipes.config import PolicyConfig, WorldConfig
from diorama.recipes.coupled import Stage, run_coupled
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.push_t import evaluate_run
from diorama.recipes.push_t_task import push_t_pixels
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.stage_clock import StageClock

TASK = {
    "nano": "push-t-pixels",
    "xs": "push-t-pixels",
    "s": "push-t-pixels",
    "m": "push-t-pixels-64",
    "l": "push-t-pixels-96",
}
"""``size`` to the task, whose name says how large its pictures are."""
PLAY = {"nano": 160, "xs": 160, "s": 160, "m": 160, "l": 1000}
PATCHES = {"nano": (1, 16), "xs": (2, 64), "s": (5, 64), "m": (5, 64), "l": (5, 200)}
"""As in `diorama.recipes.push_t`."""
WORLD = {
    "nano": ("nano", 2000, 1e-3),
    "xs": ("xs", 8000, 1e-3),
    "s": ("s", 20_000, 5e-4),
    "m": ("m", 60_000, 1e-4),
    "l": ("l", 200_000, 1e-4),
}
"""``size`` to that of the global model, updates of its first fit, and learning rate."""
FOLD = {"nano": 2, "xs": 2, "s": 2, "m": 1, "l": 1}
"""``size`` to the side of the squares of pixels that the U-Net takes for one; 2 costs a quarter of 1."""
NOISE_MEAN, NOISE_BEGIN = 3.0, 20.0
"""Of `DiffusionConfig`. Most of a picture does not change, so what does stands out by many standard deviations: at the
usual levels the network finds it in the noisy picture itself while it learns, and need not look at the action."""
LOCAL = {
    "nano": ("nano", 2000, 1e-3),
    "xs": ("xs", 4000, 1e-3),
    "s": ("s", 10_000, 5e-4),
    "m": ("m", 30_000, 3e-4),
    "l": ("m", 100_000, 3e-4),
}
"""``size`` to that of the local model, updates of its first fit, and learning rate."""
TRAINED = {
    "nano": (32, 200, 400),
    "xs": (32, 1000, 3000),
    "s": (64, 1600, 4000),
    "m": (128, 2000, 6000),
    "l": (256, 7000, 25_000),
}
"""As in `diorama.recipes.push_t`: worlds side by side, and updates of each round and of the last one."""
EPISODES = {"nano": 50, "xs": 100, "s": 100, "m": 200, "l": 500}
CONTEXT, STRETCH = 2, 16
"""Pictures that the global model sees, and steps of a window that the local one learns from."""


def push_t_pixels_config(size: str, seed: int) -> CoupledConfig:
    """The preset of this size."""
    (model, updates, rate), (local, local_updates, local_rate) = WORLD[size], LOCAL[size]
    worlds, rounds, closing = TRAINED[size]
    patches, episodes = PATCHES[size]
    drawn = FitConfig(
        updates=updates, batch=32, chunk=50, learning_rate=rate, patience=1000, held_out=128, seed=seed, average=0.999
    )
    believed = FitConfig(
        updates=local_updates, batch=16, chunk=25, learning_rate=local_rate, patience=1000, held_out=32, seed=seed
    )
    seen = ("pixels",)
    drawing = DiffusionConfig(
        model,
        "unet",
        context=CONTEXT,
        steps=1,
        changes=True,
        fold=FOLD[size],
        noise_mean=NOISE_MEAN,
        noise_begin=NOISE_BEGIN,
    )
    return CoupledConfig(
        task=TASK[size],
        size=size,
        seed=seed,
        play=("play", PLAY[size]),
        world=WorldConfig(drawing, drawn, seen, window=CONTEXT, seed=seed),
        local=WorldConfig(RSSMConfig(local), believed, seen, window=STRETCH, seed=seed),
        policy=PolicyConfig(ActorConfig(size), FirstOrderConfig(updates=rounds, worlds=worlds, seed=seed), seed),
        patches=patches,
        patch_episodes=episodes,
        episodes=EPISODES[size],
        ends=False,
        closing=closing,
    )


def run_push_t_pixels(config: CoupledConfig, run: RunFolder, stage: Stage, watch: Callable[[Report], None]) -> None:
    """Everything but the report. ``stage(name, done, total)`` and ``watch`` are told where the job stands."""
    task, clock = push_t_pixels(config.task), StageClock(run)
    coupled = run_coupled(task, config, run, None, stage, watch, clock, images="png")
    clock("evaluate", lambda: evaluate_run(task, config, coupled, run, stage))

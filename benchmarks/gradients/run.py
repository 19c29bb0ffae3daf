"""Policy gradients from fitted worlds against the true one, over the horizon, in worlds that can be differentiated.

Run: ``python benchmarks/gradients/run.py [--seeds 3] [--worlds ball-wall ...] [--json FILE] [--figure FILE]``. Most of
it is compilation; ball and wall took 53 s of one core for three seeds. The file holds the worlds done so far.

For each seed: random play (100 episodes of 40 steps, as many steps as DMO's warm start), a small local ensemble fitted
for 500 updates and a larger global one for 600 on the same steps, an untrained actor that samples, and in 8 batches 256
states that random play reaches after 20 steps (ball and wall: 3, for later the ball is far away). The reward is a known
function of observation and action, so that the modes differ in their dynamics alone. Modes: ``decoupled``: the true
world through the local model; ``coupled``: the global model through the local one; ``imagined``: the local one through
itself; ``global``: the global one through itself. ``halves of true``: the cosine between the true gradients of two
halves of a batch, which is what chance leaves.
"""

import argparse
import dataclasses
import json
import pathlib
import platform
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from diorama.core import Env, Trajectory, Window, filter_jit
from diorama.envs.teaching import BallWall, CartPole, DoublePendulum, Pendulum, PointMass
from diorama.evaluate import run_episodes
from diorama.exam import GradientAgreement, InModel, InTruth, examine_gradients
from diorama.imagine import Decoupled, Through, rollout_to
from diorama.learn.config import FitConfig
from diorama.learn.fitting import fit
from diorama.models import Ensemble, EnsembleConfig
from diorama.policies import Actor, ActorConfig, RandomPolicy, Sampled

HORIZONS = (1, 2, 4, 8, 16, 32)
EPISODES, HELD_OUT, LENGTH = 100, 20, 40
STARTS, BATCHES = 256, 8
LOCAL = EnsembleConfig("nano"), FitConfig(updates=500, batch=256, chunk=100, held_out=512)
GLOBAL = EnsembleConfig("s"), FitConfig(updates=600, batch=256, chunk=100, held_out=512)
MODES = ("decoupled", "coupled", "imagined", "global")
HALVES = "halves of true"
SHOWN = (*MODES, HALVES)


def point_mass(before: dict, action: jax.Array, after: dict) -> jax.Array:
    """The world's own reward."""
    return -jnp.sum(after["position"] ** 2) - 0.1 * jnp.sum(action**2)


def ball_wall(before: dict, action: jax.Array, after: dict) -> jax.Array:
    """The world's own reward."""
    return -(after["state"][0] ** 2) - 0.01 * jnp.sum(action**2)


def double_pendulum(before: dict, action: jax.Array, after: dict) -> jax.Array:
    """The world's own reward, for rods of 1 m."""
    return 2.0 - after["state"][0] - after["state"][2]


def pendulum(before: dict, action: jax.Array, after: dict) -> jax.Array:
    """The world's own reward, of the state before the step."""
    cosine, sine, rate = before["state"]
    return -(jnp.arctan2(sine, cosine) ** 2 + 0.1 * rate**2 + 0.001 * jnp.sum(action**2))


def cart_pole(before: dict, action: jax.Array, after: dict) -> jax.Array:
    """Upright and in the middle: the world's own reward is 1 for every step and has no derivative."""
    position, _, angle, _ = after["state"]
    return -(10.0 * angle**2) - 0.1 * position**2 - 0.001 * jnp.sum(action**2)


@dataclasses.dataclass(frozen=True)
class World:
    """A true world, its reward as a function of what is seen, and after how many steps of random play states start."""

    env: Env
    reward: Callable
    warm: int = 20


WORLDS = {
    "ball-wall": World(BallWall(), ball_wall, warm=3),
    "double-pendulum": World(DoublePendulum(), double_pendulum),
    "pendulum": World(Pendulum(), pendulum),
    "cart-pole": World(CartPole(), cart_pole),
    "point-mass": World(PointMass(), point_mass),
}


@dataclasses.dataclass(frozen=True)
class Steps:
    """Single steps of recorded episodes, as windows of length 1."""

    seen: Trajectory

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        """A batch of windows ``[batch, 1, ...]`` of steps that happened."""
        places = np.argwhere(np.asarray(self.seen.mask))
        episode, step = places[rng.integers(len(places), size=batch)].T
        pair = step[:, None] + np.arange(2)
        observation = {name: value[episode[:, None], pair] for name, value in self.seen.observation.items()}
        rest = (self.seen.action, self.seen.reward, self.seen.end, self.seen.mask)
        return Window(observation, *(leaf[episode, step][:, None] for leaf in rest))


def played(env: Env, seed: int, count: int) -> Trajectory:
    """Random play, arrays ``[count, LENGTH, ...]``."""
    return run_episodes(env, RandomPolicy(env.spec), seed * 10_000 + np.arange(count), LENGTH)


def fitted(env: Env, seen: Trajectory, held_out: Trajectory, config: tuple, seed: int) -> Ensemble:
    """An ensemble fitted to single steps; ``config``: that of the model and of its fitting."""
    windows = Window(seen.observation, seen.action, seen.reward, seen.end, seen.mask)
    model = Ensemble.build(config[0], env.spec, seed).measured(windows)
    return fit(config[1], model, Steps(seen), Steps(held_out)).model


@filter_jit
def starts(env: Env, warm: int, key: jax.Array) -> object:
    """States that random play reaches."""

    def one(key: jax.Array) -> object:
        first, then = jax.random.split(key)
        begun = env.reset(env.spec.scenario.default(), first)
        return rollout_to(env, RandomPolicy(env.spec), begun, length=warm, key=then)[1]

    return jax.vmap(one)(jax.random.split(key, STARTS))


def examined(world: World, seed: int) -> GradientAgreement:
    """One world and one seed."""
    env = world.env
    seen, held_out = played(env, seed, EPISODES), played(env, seed + 1000, HELD_OUT)
    local = fitted(env, seen, held_out, LOCAL, seed)
    large = fitted(env, seen, held_out, GLOBAL, seed + 100)
    actor = Actor.build(ActorConfig("nano"), env.spec, seed).measured(seen.observation).choosing(Sampled())
    modes = {
        "decoupled": InTruth(Decoupled(local)),
        "coupled": InModel(large, Decoupled(local)),
        "imagined": InModel(local, Through()),
        "global": InModel(large, Through()),
    }
    begun = starts(env, world.warm, jax.random.key(seed + 2000))
    return examine_gradients(
        env, actor, begun, modes, horizons=HORIZONS, batches=BATCHES, reward=world.reward, seed=seed
    )


def cosines(result: GradientAgreement, name: str) -> np.ndarray:
    """The curve of a row of the table, ``[H]``."""
    return result.modes["true"].halves.mean if name == HALVES else result.modes[name].cosine.mean


def line(*cells: str) -> None:
    """A row of a Markdown table."""
    sys.stdout.write("| " + " | ".join(cells) + " |\n")


def header(*first: str) -> None:
    """Column names, and the rule below them."""
    line(*first, *(str(h) for h in HORIZONS))
    line(*["---"] * (len(first) + len(HORIZONS)))


def tables(results: dict[str, list[GradientAgreement]]) -> None:
    """The cosines, the ratios of the norms, and where decoupled is above imagined."""
    sys.stdout.write("\nCosine with the true gradient, mean over seeds [lowest, highest seed]\n\n")
    header("world", "gradient")
    for world, found in results.items():
        for name in SHOWN:
            each = np.array([cosines(result, name) for result in found])
            cells = zip(each.mean(axis=0), each.min(axis=0), each.max(axis=0), strict=True)
            line(world, name, *(f"{mean:.2f} [{low:.2f}, {high:.2f}]" for mean, low, high in cells))
    sys.stdout.write("\nNorm over that of the true gradient (of `true`: its own norm), geometric mean over seeds\n\n")
    header("world", "gradient")
    for world, found in results.items():
        line(world, "true", *(f"{v:.2g}" for v in geometric([r.modes["true"].norm for r in found])))
        for name in MODES:
            line(world, name, *(f"{v:.2f}" for v in geometric([r.modes[name].norm_ratio.mean for r in found])))
    for name, other in (("decoupled", "imagined"), ("coupled", "imagined")):
        sys.stdout.write(
            f"\nCosine of {name} minus that of {other}; (seeds whose 95 % interval is above 0 / below 0)\n\n"
        )
        header("world")
        for world, found in results.items():
            line(world, *differences(found, name, other))
    sys.stdout.flush()


def geometric(each: list[np.ndarray]) -> np.ndarray:
    """The geometric mean over seeds, ``[H]``."""
    return np.exp(np.log(np.array(each)).mean(axis=0))


def differences(found: list[GradientAgreement], name: str, other: str) -> list[str]:
    """For each horizon the mean difference, and in how many seeds it is certain."""
    each = [result.difference(name, other) for result in found]
    cells = []
    for place in range(len(HORIZONS)):
        above, below = sum(d.low[place] > 0 for d in each), sum(d.high[place] < 0 for d in each)
        cells.append(f"{np.mean([d.mean[place] for d in each]):+.3f} ({above}/{below})")
    return cells


def picture(results: dict[str, list[GradientAgreement]]) -> Figure:
    """Cosine against horizon, one panel for each world; bands from the lowest to the highest seed."""
    figure = Figure(figsize=(3.1 * len(results), 3.2), layout="constrained")
    axes = figure.subplots(1, len(results), sharey=True, squeeze=False)[0]
    styles = {"decoupled": "C0-o", "coupled": "C2-s", "imagined": "C3-^", "global": "C1-v", HALVES: "k:"}
    for axis, (world, found) in zip(axes, results.items(), strict=True):
        for name, style in styles.items():
            each = np.array([cosines(result, name) for result in found])
            (drawn,) = axis.plot(HORIZONS, each.mean(axis=0), style, markersize=4, label=name)
            axis.fill_between(HORIZONS, each.min(axis=0), each.max(axis=0), color=drawn.get_color(), alpha=0.15)
        axis.set_xscale("log", base=2)
        axis.set_xticks(HORIZONS, [str(h) for h in HORIZONS])
        axis.set(title=world, xlabel="horizon [steps]")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("cosine with the true gradient")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(styles))
    return figure


def record(results: dict[str, list[GradientAgreement]]) -> dict:
    """Every curve of every world, mode and seed."""
    curves = ("cosine", "norm_ratio", "sign", "halves")

    def of(result: GradientAgreement, name: str) -> dict:
        mode = result.modes[name]
        found = {c: {k: v.tolist() for k, v in dataclasses.asdict(getattr(mode, c)).items()} for c in curves}
        return found | {"norm": mode.norm.tolist(), "cosines": mode.cosines.tolist()}

    rows = {w: [{name: of(r, name) for name in r.modes} for r in found] for w, found in results.items()}
    return {"machine": platform.processor() or platform.machine(), "horizons": HORIZONS, "worlds": rows}


def main() -> None:
    """Examine every world and seed, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--figure", type=pathlib.Path)
    given = parser.parse_args()
    results: dict[str, list[GradientAgreement]] = {}
    for world in given.worlds:
        begun = time.process_time()
        results[world] = [examined(WORLDS[world], seed) for seed in range(given.seeds)]
        sys.stderr.write(f"{world}: {time.process_time() - begun:.0f} s of CPU\n")
        if given.json:
            given.json.write_text(json.dumps(record(results)))
    tables(results)
    if given.figure:
        picture(results).savefig(given.figure, dpi=110)


if __name__ == "__main__":
    main()

"""How near Push-T's other worlds are to gym-pusht: open-loop error of the block, in pixels.

Run: ``python benchmarks/pusht_worlds/run.py --out worlds.json``. Scripted play in gym-pusht at 5 Hz with relative
actions. The physics are identified and the learned worlds fitted on the episodes of seeds from 300000; every world is
then set to a moment of the episodes of seeds from 310000 and given the recorded actions; no world sees those before.
Compared with the recorded block after 1, 5 and 20 steps: mean distance [px] and angle [deg], over all windows and over
those in which the block moved, each with an interval by bootstrap over episodes. ``cosine``: mean cosine between the
block's displacement and the recorded one, over windows in which both moved by more than 1 px.

Rows: ``no motion``; ``quasi-static by geometry`` (nothing fitted) and ``quasi-static``; ``MuJoCo`` with the table that
was identified and ``MuJoCo as built``; ``hybrid`` (quasi-static plus residual) and ``learned`` (an ensemble), fitted
with the same updates on the same steps, and again on a tenth of the episodes.
"""

import argparse
import pathlib
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core import EnvSpec, Window, WorldModel, filter_jit
from diorama.core.canonical import canonical
from diorama.core.files import write_atomically
from diorama.envs.pusht import PushT, Relative
from diorama.envs.pusht.geometry import wrap_angle
from diorama.envs.pusht.scripted import ScriptedPlay
from diorama.envs.pusht_mujoco import MuJoCoPushT, Table, identify_table
from diorama.envs.pusht_mujoco.calibration import imagined
from diorama.envs.pusht_quasistatic import Parameters, identify
from diorama.evaluate import run_episodes
from diorama.learn import FitConfig, fit
from diorama.models import Ensemble, EnsembleConfig
from diorama.models.residual import Residual, ResidualConfig, Still
from diorama.recipes.presets import PUSH_T
from diorama.recipes.push_t_hybrid import hybrid, hybrid_config, quasi_static

FIT_SEED, TEST_SEED = 300_000, 310_000
HORIZONS = (1, 5, 20)
LONGEST = max(HORIZONS)
LENGTH = 100
MOVED = 1.0
Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""First features [N, 8] and actions [N, T, 2] to the features [N, T, 8] that follow."""


def recorded(first: int, count: int) -> Window:
    """Episodes [N, T] of scripted play in gym-pusht."""
    env = PushT(Relative(), ("features", "state"))
    seen = run_episodes(env, ScriptedPlay(), np.arange(first, first + count), LENGTH)
    return Window({"features": seen.observation["features"]}, seen.action, seen.reward, seen.end, seen.mask)


def cut(episodes: Window, steps: int, stride: int) -> tuple[Window, np.ndarray]:
    """Whole windows of ``steps`` steps, and the number of the episode that each is from."""
    starts = np.arange(0, episodes.length - steps + 1, stride)
    rows = starts[:, None] + np.arange(steps + 1)
    features = np.asarray(episodes.observation["features"])[:, rows].reshape(-1, steps + 1, 8)
    flat = [np.asarray(getattr(episodes, n))[:, rows[:, :-1]] for n in ("action", "reward", "end", "mask")]
    action, reward, end, mask = (leaf.reshape(-1, steps, *leaf.shape[3:]) for leaf in flat)
    owner = np.repeat(np.arange(len(episodes.action)), len(starts))
    whole = mask.all(axis=1)
    return Window({"features": features[whole]}, *(leaf[whole] for leaf in (action, reward, end, mask))), owner[whole]


class Steps:
    """Windows of one step, drawn with replacement."""

    def __init__(self, windows: Window):
        self.windows = windows

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        """A batch of windows ``[batch, 1, ...]``."""
        rows = rng.integers(0, len(self.windows.action), batch)
        return jax.tree.map(lambda leaf: leaf[rows], self.windows)


def dreamt(model: WorldModel) -> Predict:
    """What a model imagines open-loop."""

    @filter_jit
    def run(model: WorldModel, first: jax.Array, actions: jax.Array) -> jax.Array:
        def one(seen: jax.Array, actions: jax.Array) -> jax.Array:
            def body(belief: object, action: jax.Array) -> tuple:
                belief = model.step(belief, action, jax.random.key(0))
                return belief, model.read(belief).observation["features"]

            return jax.lax.scan(body, model.start({"features": seen}, jax.random.key(0)), actions)[1]

        return jax.vmap(one)(first, actions)

    return lambda first, actions: np.asarray(run(model, jnp.asarray(first), jnp.asarray(actions)))


def physics(spec: EnvSpec, parameters: Parameters | None) -> Predict:
    """The quasi-static world, which a residual model is before it is fitted."""
    return dreamt(Residual.build(ResidualConfig("nano"), spec, 0, quasi_static(spec, parameters)))


def fitted(model: Residual | Ensemble, episodes: Window, updates: int) -> Predict:
    """The model, fitted to nine tenths of the episodes and chosen by its loss on the others."""
    count = max(len(episodes.action) // 10, 1)
    parts = (jax.tree.map(lambda leaf, part=part: leaf[part], episodes) for part in (slice(count, None), slice(count)))
    training, held_out = (cut(part, 1, 1)[0] for part in parts)
    plan = FitConfig(updates=updates, batch=256, chunk=100, learning_rate=2e-3, held_out=1024)
    return dreamt(fit(plan, model.measured(training), Steps(training), Steps(held_out)).model)


def score(said: np.ndarray, seen: np.ndarray, owner: np.ndarray) -> dict[str, dict[str, list[float]]]:
    """Mean errors after each horizon, over all windows and over those in which the block moved."""
    still, truth = seen[:, :1], seen[:, 1:]
    found: dict[str, dict[str, list[float]]] = {}
    for horizon in HORIZONS:
        now, real, first = said[:, horizon - 1], truth[:, horizon - 1], still[:, 0]
        shift, wish = now[:, 4:6] - first[:, 4:6], real[:, 4:6] - first[:, 4:6]
        error = np.linalg.norm(now[:, 4:6] - real[:, 4:6], axis=1)
        angles = [np.arctan2(rows[:, 7], rows[:, 6]) for rows in (now, real, first)]
        turn = np.degrees(np.abs(wrap_angle(angles[0] - angles[1])))
        lengths = np.linalg.norm(shift, axis=1), np.linalg.norm(wish, axis=1)
        moved = (lengths[1] > MOVED) | (np.abs(wrap_angle(angles[1] - angles[2])) > 0.01)
        both = (lengths[0] > MOVED) & (lengths[1] > MOVED)
        cosine = np.sum(shift * wish, axis=1)[both] / (lengths[0] * lengths[1])[both]
        found[str(horizon)] = {
            "px": interval(error, owner),
            "px, moved": interval(error[moved], owner[moved]),
            "deg, moved": interval(turn[moved], owner[moved]),
            "cosine": [float(cosine.mean())] if both.any() else [],
            "windows": [len(error), int(moved.sum())],
        }
    return found


def interval(values: np.ndarray, owner: np.ndarray, draws: int = 1000) -> list[float]:
    """The mean and its 95 % interval by a bootstrap over episodes."""
    names = np.unique(owner)
    sums, counts = (np.array([part(values[owner == name]) for name in names]) for part in (np.sum, len))
    rows = np.random.default_rng(0).integers(0, len(names), (draws, len(names)))
    means = sums[rows].sum(1) / counts[rows].sum(1)
    return [float(values.mean()), *np.quantile(means, (0.025, 0.975)).tolist()]


def worlds(
    spec: EnvSpec, episodes: Window, arguments: argparse.Namespace
) -> tuple[dict[str, Callable[[], Predict]], dict]:
    """The rows, each made when asked for, and what the identification found."""
    windows, _ = cut(episodes, 3, 3)
    found = identify(Relative(), windows)
    rows = np.random.default_rng(0).permutation(len(windows.action))[: arguments.table_windows]
    table = identify_table(Relative(), jax.tree.map(lambda leaf: leaf[rows], windows))
    few = jax.tree.map(lambda leaf: leaf[: max(len(leaf) // 10, 2)], episodes)
    known = hybrid(hybrid_config("nano"), spec, 0, found.parameters)
    alone = Ensemble.build(EnsembleConfig("nano", PUSH_T.body), spec, 0)
    makers = {
        "no motion": lambda: dreamt(Residual.build(ResidualConfig("nano"), spec, 0, Still())),
        "quasi-static by geometry": lambda: physics(spec, None),
        "quasi-static": lambda: physics(spec, found.parameters),
        "MuJoCo as built": lambda: mujoco(Table()),
        "MuJoCo": lambda: mujoco(table.table),
        "hybrid": lambda: fitted(known, episodes, arguments.updates),
        "learned": lambda: fitted(alone, episodes, arguments.updates),
        "hybrid, a tenth of the data": lambda: fitted(known, few, arguments.updates),
        "learned, a tenth of the data": lambda: fitted(alone, few, arguments.updates),
    }
    facts = {
        "quasi-static": {
            "parameters": found.parameters.numbers(), "spread": found.spread, "windows": found.windows,
            "before": found.before, "after": found.after,
        },
        "MuJoCo": {
            "friction": table.table.friction, "windows": table.windows, "before": table.before, "after": table.after,
        },
    }  # fmt: skip
    return makers, facts


def mujoco(table: Table) -> Predict:
    """The MuJoCo world on this table."""
    return lambda first, actions: imagined(MuJoCoPushT(Relative(), ("features",), table), first, actions)


def table_of(rows: dict[str, dict]) -> str:
    """The rows as Markdown."""
    lines = [
        "| world | " + " | ".join(f"{h} steps: px (moved), deg, cosine" for h in HORIZONS) + " |",
        "|---|---|---|---|",
    ]
    for name, row in rows.items():
        cells = []
        for horizon in HORIZONS:
            of = row[str(horizon)]
            mean, low, high = of["px, moved"]
            cosine = f"{of['cosine'][0]:.3f}" if of["cosine"] else "-"
            cells.append(f"{mean:.2f} [{low:.2f}, {high:.2f}], {of['deg, moved'][0]:.2f}, {cosine}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Record, identify, fit, predict, score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--episodes", type=int, default=40, help="episodes to fit and to test on, each")
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--table-windows", type=int, default=150, help="windows to identify MuJoCo's table from")
    parser.add_argument("--mujoco-windows", type=int, default=10**9, help="windows that MuJoCo is tested on, at most")
    arguments = parser.parse_args()
    spec = PushT(Relative(), ("features",)).spec
    episodes = recorded(FIT_SEED, arguments.episodes)
    test, owner = cut(recorded(TEST_SEED, arguments.episodes), LONGEST, 10)
    seen = np.asarray(test.observation["features"])
    makers, facts = worlds(spec, episodes, arguments)
    rows: dict[str, dict] = {}
    for name, make in makers.items():
        begun = time.perf_counter()
        chosen = slice(arguments.mujoco_windows if name.startswith("MuJoCo") else None)
        predict = make()
        rows[name] = score(predict(seen[chosen, 0], np.asarray(test.action)[chosen]), seen[chosen], owner[chosen])
        sys.stderr.write(f"{name}: {time.perf_counter() - begun:.0f} s\n")
    result = {"episodes": arguments.episodes, "updates": arguments.updates, "identified": facts, "rows": rows}
    write_atomically(arguments.out, (canonical(result) + "\n").encode())
    sys.stdout.write(canonical(facts) + "\n" + table_of(rows))


if __name__ == "__main__":
    main()

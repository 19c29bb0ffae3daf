"""Push-T here against gym-pusht, in the same run: CPU microseconds for each world and step.

Run: ``python benchmarks/pusht/run.py [--json FILE]``. Both play the same recorded actions from the same seeds, which
keeps the agent in contact with the block, so that they do the same physics. Blocks of the two alternate; a figure is
the median over blocks of process CPU time (not wall time: the machine may be shared), pinned to one core. gym-pusht has
no batches: its figure is that of one world. Its step always works out coverage and observation; so do our rows, but for
the one that says otherwise.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

from diorama.envs.pusht import PushT
from diorama.envs.pusht.coverage import coverage, coverage_of_one

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from gym_pusht.envs.pusht import PushTEnv

FIRST_SEED = 100000
WORLDS = 64
STEPS = 100
BLOCKS = 7
Run = Callable[[], float]
"""Does a block of work and returns CPU microseconds for each world and step."""


def record_actions() -> np.ndarray:
    """Targets [STEPS, WORLDS, 2] near each block, as float32."""
    env, rng = PushT(), np.random.default_rng(0)
    state = env.reset(np.arange(FIRST_SEED, FIRST_SEED + WORLDS), env.spec.scenario.default())
    actions = []
    for _ in range(STEPS):
        target = np.clip(state.block_xy + rng.normal(0, 60, (WORLDS, 2)), 0, 512)
        actions.append(target.astype(np.float32))
        state = env.step(state, actions[-1])
    return np.stack(actions)


def peer_steps(actions: np.ndarray, observation: str) -> Run:
    """One world of gym-pusht."""
    env = PushTEnv(obs_type=observation)

    def run() -> float:
        env.reset(seed=FIRST_SEED)
        start = time.process_time()
        for action in actions[:, 0]:
            env.step(action)
        return (time.process_time() - start) / len(actions) * 1e6

    return run


def our_steps(actions: np.ndarray, worlds: int, observation: str, *, rewarded: bool) -> Run:
    """A batch of our worlds; with ``rewarded`` also reward and end, as gym-pusht's step has them."""
    env = PushT(observations=(observation,))
    scenario = env.spec.scenario.default()

    def run() -> float:
        state = env.reset(np.arange(FIRST_SEED, FIRST_SEED + worlds), scenario)
        env.observe(state)
        start = time.process_time()
        for action in actions[:, :worlds]:
            following = env.step(state, action)
            env.observe(following)
            if rewarded:
                env.reward(state, action, following)
                env.terminal(following)
            state = following
        return (time.process_time() - start) / (len(actions) * worlds) * 1e6

    return run


def peer_coverage() -> Run:
    """gym-pusht's coverage of a block that overlaps the goal."""
    env = PushTEnv()
    env.reset(seed=FIRST_SEED)
    env.block.angle, env.block.position = 0.5, (250, 260)

    def run() -> float:
        start = time.process_time()
        for _ in range(STEPS):
            env._get_coverage()
        return (time.process_time() - start) / STEPS * 1e6

    return run


def our_coverage(worlds: int) -> Run:
    """The same pose in every world."""
    position, angle, goal = np.tile([250.0, 260.0], (worlds, 1)), np.full(worlds, 0.5), np.array([256, 256, np.pi / 4])

    def run() -> float:
        start = time.process_time()
        for _ in range(STEPS):
            coverage(position, angle, goal)
        return (time.process_time() - start) / (STEPS * worlds) * 1e6

    return run


def our_coverage_of_one() -> Run:
    """The same pose in plain floats, as our worlds do it where they are few."""
    block, goal = (250.0, 260.0, 0.5), (256.0, 256.0, float(np.pi / 4))

    def run() -> float:
        start = time.process_time()
        for _ in range(STEPS):
            coverage_of_one(block, goal)
        return (time.process_time() - start) / STEPS * 1e6

    return run


def peer_reset() -> Run:
    """Resets of gym-pusht."""
    env = PushTEnv(obs_type="state")

    def run() -> float:
        start = time.process_time()
        for seed in range(STEPS):
            env.reset(seed=seed)
        return (time.process_time() - start) / STEPS * 1e6

    return run


def our_reset(worlds: int) -> Run:
    """Resets of a batch, with all the checks of the scenario."""
    env = PushT()
    scenario = env.spec.scenario.default()

    def run() -> float:
        start = time.process_time()
        for _ in range(STEPS // 10):
            env.observe(env.reset(np.arange(worlds), scenario))
        return (time.process_time() - start) / (STEPS // 10 * worlds) * 1e6

    return run


def rows(actions: np.ndarray) -> dict[str, tuple[Run, dict[str, Run]]]:
    """For each row the peer and ours by number of worlds."""
    sizes = (1, 16, WORLDS)
    short = actions[:25]
    states = peer_steps(actions, "state")
    return {
        "state step": (states, {str(n): our_steps(actions, n, "state", rewarded=True) for n in sizes}),
        "state step, reward not asked for": (
            states,
            {str(n): our_steps(actions, n, "state", rewarded=False) for n in sizes},
        ),
        "pixel step, 96 x 96": (
            peer_steps(short, "pixels"),
            {str(n): our_steps(short, n, "pixels", rewarded=True) for n in sizes},
        ),
        "coverage": (peer_coverage(), {str(n): our_coverage(n) for n in (1, 16, WORLDS, 4096)}),
        "coverage, one pose at a time": (peer_coverage(), {"1": our_coverage_of_one()}),
        "reset": (peer_reset(), {str(n): our_reset(n) for n in sizes}),
    }


def measure(peer: Run, ours: dict[str, Run], blocks: int) -> list[dict[str, float | int]]:
    """Alternate blocks of the peer and of ours, and take medians."""
    times: dict[str, list[float]] = {name: [] for name in ("peer", *ours)}
    for _ in range(blocks):
        times["peer"].append(peer())
        for name, run in ours.items():
            times[name].append(run())
    middle = {name: statistics.median(values) for name, values in times.items()}
    return [
        {
            "worlds": int(name),
            "peer_us": middle["peer"],
            "ours_us": middle[name],
            "ratio": middle["peer"] / middle[name],
        }
        for name in ours
    ]


def circumstances() -> dict[str, str | int]:
    """What the figures depend on."""
    import gym_pusht  # noqa: F401
    import pymunk

    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=pathlib.Path(__file__).parent
    )
    return {
        "command": "python benchmarks/pusht/run.py",
        "commit": found.stdout.strip() if found.returncode == 0 else "none",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one used",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pymunk": pymunk.version,
        "first_seed": FIRST_SEED,
        "steps": STEPS,
        "blocks": BLOCKS,
    }


def main() -> None:
    """Measure, print the table, then the JSON (or write it to a file)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path, help="write the JSON here instead of printing it")
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    lines = ["| what | worlds | gym-pusht [us] | Diorama [us] | ratio |", "|---|---|---|---|---|"]
    result = {"circumstances": circumstances() | {"blocks": arguments.blocks}, "rows": {}}
    for name, (peer, ours) in rows(record_actions()).items():
        result["rows"][name] = measure(peer, ours, arguments.blocks)
        for row in result["rows"][name]:
            figures = f"{row['peer_us']:.1f} | {row['ours_us']:.1f} | {row['ratio']:.1f}"
            lines.append(f"| {name} | {row['worlds']} | {figures} |")
    sys.stdout.write("\n".join(lines) + "\n")
    text = json.dumps(result, indent=1, sort_keys=True) + "\n"
    if arguments.json:
        arguments.json.write_text(text)
    else:
        sys.stdout.write("\n" + text)


if __name__ == "__main__":
    main()

"""Behaviour cloning and a diffusion policy from 90 scripted demonstrations of Push-T, tested in gym-pusht's physics.

Run: ``python benchmarks/diffusion_policy/run.py [--seeds 3] [--updates 200000] [--out FILE] [--policies FOLDER]``.
``--policies`` keeps every policy as an artifact for ``diorama evaluate FOLDER/diffusion-0 --env push-t``.

The world is Push-T with relative actions at 5 Hz and 150 steps (30 s), seen as ``features``. Demonstrations: one of the
scripted demonstrator from each of the seeds 0 to 89, each window of them also mirrored (see ``mirror.py``). Test: one
episode on each of the seeds 100000 to 100099 and 200000 to 200099. Choices were made on seeds from 300000, but for the
velocity, the horizon and the number of actions carried out, which were chosen on the seeds 200000 to 200049: of the two
blocks the first is the clean one. Three scores that are never to be mixed:

- best coverage: mean over episodes of the best clipped coverage (Diffusion Policy's ``test/mean_score``);
- success: coverage above 95 % after any step (LeRobot, gym-pusht);
- block reached: the block within 20 px and pi / 9 of the goal after any step. That is the rule of DINO-WM without its
  agent, for which this task has no goal; their budget, goals and figures are others.

Intervals of rates are Wilson's, of means a bootstrap, both over episodes; those of rows ``all``, over the episodes of
all trainings, take the trainings as given.

Published, with other demonstrations (90 of 206 by people) and another interface (10 Hz, absolute): best coverage of
.95 for the best checkpoint and .91 over the last ten, from state (arXiv 2303.04137, quoted, not checked); from pictures
(model card of lerobot/diffusion_pusht) a success of 63.8 % of 500 episodes and best coverage of .959 after 7 hours on a
GPU.
"""

import argparse
import json
import pathlib
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
from mirror import Mirrored, mirrored_actions, mirrored_features

from diorama.core import Policy
from diorama.core.canonical import to_json
from diorama.data import Dataset, Windows
from diorama.data.windows import Repeat
from diorama.envs.pusht import PushT, Relative, best_clipped_coverage, block_reached, success_coverage
from diorama.evaluate import Estimate, evaluate, mean, rate
from diorama.learn import CloningConfig, DiffusionCloningConfig, clone, clone_by_diffusion
from diorama.policies import Actor, ActorConfig, DiffusionPolicy, DiffusionPolicyConfig, MLPDenoiserConfig, save
from diorama.recipes.collecting import collect
from diorama.recipes.presets import PUSH_T
from diorama.recipes.push_t_task import push_t

BLOCKS = {"100000 to 100099": np.arange(100_000, 100_100), "200000 to 200099": np.arange(200_000, 200_100)}
ENV = PushT(Relative(), ("features",))
# The waves resolve the outline of the block; chunks are planned as seen from it.
FRAME = replace(PUSH_T.aim, actions=((0, 1),), wavelengths=(64.0, 128.0, 256.0))
# As long in time as the published 16 and 8 steps at 10 Hz.
PLANNER = DiffusionPolicyConfig(horizon=8, history=2, execute=4, denoiser=MLPDenoiserConfig((384,) * 3), frame=FRAME)
REACTIVE = ActorConfig("m", replace(FRAME, actions=()))


METRICS = {"best coverage": best_clipped_coverage, "success": success_coverage, "block reached": block_reached}


@dataclass(frozen=True)
class Demonstrations:
    """What is cloned: the windows, and all observations and actions with their mirror images."""

    dataset: Dataset

    @property
    def seen(self) -> dict[str, np.ndarray]:
        """Observations by name."""
        rows = self.dataset.column("observation.features")
        return {"features": np.concatenate([rows, mirrored_features(rows)])}

    @property
    def actions(self) -> np.ndarray:
        """Actions."""
        rows = self.dataset.column("action")
        return np.concatenate([rows, mirrored_actions(rows)])

    def windows(self, length: int) -> Mirrored:
        """Windows, half of them mirrored."""
        return Mirrored(Windows(self.dataset, length, ("features",), tail=Repeat()))


def diffusion(shown: Demonstrations, updates: int, seed: int) -> tuple[Policy, DiffusionPolicyConfig]:
    """The diffusion policy."""
    policy = DiffusionPolicy.build(PLANNER, ENV.spec, seed).measured(shown.seen, shown.actions, ENV.spec)
    config = DiffusionCloningConfig(CloningConfig(updates=updates, batch=64, chunk=500, seed=seed))
    return clone_by_diffusion(config, policy, shown.windows(PLANNER.horizon)).policy, PLANNER


def regression(shown: Demonstrations, seed: int) -> tuple[Policy, ActorConfig]:
    """The reactive actor that averages."""
    actor = Actor.build(REACTIVE, ENV.spec, seed).measured(shown.seen)
    return clone(CloningConfig(updates=8000, batch=256, seed=seed), actor, shown.windows(1)).actor, REACTIVE


Make = Callable[[int], tuple[Policy, object]]


def cloned(name: str, make: Make, seed: int, policies: pathlib.Path | None) -> dict:
    """Train once and test on both blocks of seeds: the record of the training."""
    begun = time.process_time()
    policy, config = make(seed)
    seconds = time.process_time() - begun
    if policies:
        save(policies / f"{name}-{seed}", policy, config, ENV.spec)
    tests = {}
    for block, seeds in BLOCKS.items():
        found, _ = evaluate(policy, ENV, seeds=seeds, length=push_t().length, metrics=METRICS, name=name)
        tests[block] = {metric: np.asarray(values) for metric, values in found.scores.items()}
        write_row(name, str(seed), block, tests[block], seconds)
    return {"policy": name, "config": to_json(config), "seed": seed, "seconds": seconds, "scores": tests}


def pooled(records: list[dict]) -> dict:
    """The rows over all trainings of one policy."""
    name, seconds, summary = records[0]["policy"], float(np.mean([r["seconds"] for r in records])), {}
    for block in BLOCKS:
        scores = {metric: np.concatenate([r["scores"][block][metric] for r in records]) for metric in METRICS}
        write_row(name, "all", block, scores, seconds)
        summary[block] = {metric: asdict(estimate(values)) for metric, values in scores.items()}
    return {"policy": name, "trainings": len(records), "estimates": summary}


def estimate(values: np.ndarray) -> Estimate:
    """A rate or a mean with its 95 % interval."""
    return rate(values) if values.dtype == bool else mean(values)


def write_row(name: str, training: str, block: str, scores: dict[str, np.ndarray], seconds: float) -> None:
    """One line of the table."""
    cells = [estimate(scores[metric]) for metric in METRICS]
    figures = " | ".join(f"{cell.value:.3f} [{cell.low:.3f}, {cell.high:.3f}]" for cell in cells)
    sys.stdout.write(f"| {name} | {training} | {block} | {figures} | {seconds:.0f} |\n")
    sys.stdout.flush()


def main() -> None:
    """Collect, clone, test, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each policy")
    parser.add_argument("--updates", type=int, default=200_000, help="of the diffusion policy")
    parser.add_argument("--demonstrations", type=int, default=90)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--policies", type=pathlib.Path)
    given = parser.parse_args()
    header = ("policy", "training", "test seeds", *METRICS, "CPU s of training")
    sys.stdout.write(f"| {' | '.join(header)} |\n|{'---|' * len(header)}\n")
    record = {"machine": platform.processor() or platform.machine(), "settings": [], "trainings": [], "all": []}
    record["settings"] = {"demonstrations": given.demonstrations, "updates": given.updates, "frame": to_json(FRAME)}
    with tempfile.TemporaryDirectory() as folder:
        shown = Demonstrations(collect(push_t(), "demonstrations", range(given.demonstrations), pathlib.Path(folder)))
        makes: dict[str, Make] = {
            "regression": lambda seed: regression(shown, seed),
            "diffusion": lambda seed: diffusion(shown, given.updates, seed),
        }
        for name, make in makes.items():
            trainings = [cloned(name, make, seed, given.policies) for seed in range(given.seeds)]
            record["all"].append(pooled(trainings))
            record["trainings"] += trainings
            if given.out:
                given.out.write_text(json.dumps(record, default=np.ndarray.tolist))


if __name__ == "__main__":
    main()

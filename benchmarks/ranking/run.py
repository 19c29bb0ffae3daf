"""Does a world rank policies as reality does: bias, correlations, rank violations and agreement, with intervals.

Run: ``python benchmarks/ranking/run.py --out ranking`` (``--size nano``: a few minutes). The same command goes on where
it was stopped, and does nothing twice. Reality is gym-pusht at 5 Hz with relative actions, in episodes of 100 steps.
Worlds are fitted to, and physics identified from, 400 episodes of scripted play and 60 of scripted demonstrations; the
learned ones with the presets of ``diorama fit``.
Policies come from families: random, scripted, behaviour cloning at five numbers of demonstrations, the best clone with
noise, first-order and PPO checkpoints trained in one of the worlds, planners in one of them. Each plays the same 100
seeds from 410000 in every world and in reality.

Rows: each world, ``mean of the worlds``, and ``weighted mean``, in which a world counts by one over its mean squared
error of coverage where the actions of recorded episodes are played again (24 of play and 24 of demonstrations, from
which nothing learned); for policies optimised in no world (``independent``), for all that were
not optimised in the world that ranks (``not its own``), and for those that were (``its own``). The score is the best
clipped coverage; the success rate (coverage beyond 95 %) is a second table. Intervals: 95 %, two-level bootstrap over
policies and starts. Then the weighted mean minus each of its members, on independent policies, paired.
"""

import argparse
import json
import pathlib
import sys
import time
from dataclasses import asdict, dataclass

import making
import numpy as np
from settings import FIRST_SEED, SETTINGS, Settings

from diorama.core.canonical import canonical
from diorama.core.files import write_atomically
from diorama.evaluate.executors import find_place
from diorama.evaluate.records import Episodes, join, read_episodes, write_episodes
from diorama.evaluate.running import Store, run_items
from diorama.evaluate.statistics import Estimate, ranking_difference, ranking_study
from diorama.recipes.candidates import Candidate, find_candidate
from diorama.recipes.evaluating import Item, Plan, evaluate_many, items_of, run_item
from diorama.recipes.tasks import Task, find_task
from diorama.recipes.worlds import World, find_world

REALITY, MEAN, WEIGHTED = "push-t", "mean of the worlds", "weighted mean"
SCORES = {"coverage": "best clipped coverage", "success": "success (coverage > 95 %)"}
MEASURES = ("bias", "pearson", "spearman", "mmrv", "agreement")
SMALLEST = 1e-6
"""Mean squared error of coverage below which worlds count alike."""
HERE = pathlib.Path(__file__).resolve().parent


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


@dataclass(frozen=True)
class Prepared:
    """Policies, worlds with reality first, the world by each policy that was optimised in it, recorded actions."""

    policies: list[Candidate]
    worlds: list[World]
    own: dict[str, str]
    replays: list[Candidate]


def prepared(task: Task, settings: Settings, out: pathlib.Path) -> Prepared:
    """Data, worlds and policies."""
    data = making.collected(task, settings, out)
    say("data collected")
    places = making.worlds(data, settings, out / "worlds", say)
    clones = making.cloned(data, settings, out / "policies", say)
    trained = making.optimised(data, settings, out / "policies", say)
    addresses = clones | {name: place for name, (place, _) in trained.items()}
    worlds = [find_world(task, REALITY), *(named(find_world(task, place), name) for name, place in places.items())]
    found = [named(find_candidate(task, place), name) for name, place in addresses.items()]
    by_name = {each.name: each for each in [*found, *worlds]}
    best = f"bc-{max(settings.cloned)}"
    file = f"{HERE / 'policies.py'}"
    written = {
        f"{best} with noise {level:g}": f"{file}:mixed(policy='{addresses[best]}', level={level}, "
        f"of='{by_name[best].digest}')"
        for level in settings.mixed
    }
    own = {name: world for name, (_, world) in trained.items()}
    for samples in settings.planners:
        name = f"planner-{samples} in ensemble"
        world = by_name["ensemble"]
        written[name] = f"{file}:planner(world='{places['ensemble']}', samples={samples}, of='{world.digest}')"
        own[name] = "ensemble"
    written |= {"random": "random"}
    # What is slow comes last, so that an interrupted study has ranked the rest.
    written |= {"scripted play": "play"} if settings.shaky else {}
    written |= {
        f"demonstrations with noise {level:g}": f"{file}:demonstrator(level={level})" for level in settings.shaky
    }
    found += [named(find_candidate(task, word), name) for name, word in written.items()]
    first = making.CALIBRATION_SEED
    again = (f"data='{held.path}', first={first}, of='{held.identity}'" for held in data.calibration.values())
    replays = [find_candidate(task, f"{HERE / 'replaying.py'}:replay({settings})") for settings in again]
    return Prepared(found, worlds, own, replays)


def weights(task: Task, ready: Prepared, settings: Settings, store: Store) -> dict[str, float]:
    """A share for each world but reality: one over its mean squared error of coverage under recorded actions."""
    seeds = range(making.CALIBRATION_SEED, making.CALIBRATION_SEED + settings.calibration)
    plan = Plan(tuple(seeds), settings.length, {}, settings.batch)
    replays = [named(each, f"replay {number}") for number, each in enumerate(ready.replays)]
    found = evaluate_many(task, replays, ready.worlds, plan, store)
    names = [each.name for each in replays]
    real = matrix(found, names, REALITY, SCORES["coverage"])
    errors = {
        world.name: float(((matrix(found, names, world.name, SCORES["coverage"]) - real) ** 2).mean())
        for world in ready.worlds
        if world.name != REALITY
    }
    # A world without any error would leave the others no weight.
    shares = {name: 1.0 / (error + SMALLEST) for name, error in errors.items()}
    return {name: share / sum(shares.values()) for name, share in shares.items()}


def named(made: Candidate | World, name: str) -> Candidate | World:
    """The same under the study's name."""
    return type(made)(**{**vars(made), "name": name})


def evaluated(
    items: dict[tuple[str, str], list[Item]], policies: list[str], worlds: list[str], store: Store
) -> tuple[Episodes, list[str]]:
    """The episodes of every policy that is finished in all worlds, and the names of these policies."""
    done = [
        policy for policy in policies if all(store.has(item.key) for world in worlds for item in items[policy, world])
    ]
    parts = []
    for policy in done:
        for world in worlds:
            read = join(read_episodes(store.get(item.key)) for item in items[policy, world])
            parts.append(renamed(read, policy, world))
    return join(parts), done


def renamed(episodes: Episodes, policy: str, world: str) -> Episodes:
    """The table with the study's names in it."""
    count = len(episodes)
    columns = {"policy": np.full(count, policy, object), "world": np.full(count, world, object)}
    return type(episodes)(**{**vars(episodes), **columns})


def matrix(episodes: Episodes, policies: list[str], world: str, metric: str) -> np.ndarray:
    """Scores [P, E] of these policies in a world, in the order of the seeds."""
    rows = []
    for policy in policies:
        part = episodes.of(policy, world)
        rows.append(part.metrics[metric][np.argsort(part.seed)])
    return np.stack(rows)


def scored(episodes: Episodes, policies: list[str], shares: dict[str, float], metric: str) -> dict:
    """Scores [E] of each policy in reality, in each world and in the worlds together: world to policy to scores."""
    seen = {
        world: {name: matrix(episodes, [name], world, metric)[0] for name in policies} for world in (REALITY, *shares)
    }
    for together, share in ((MEAN, dict.fromkeys(shares, 1.0 / len(shares))), (WEIGHTED, shares)):
        seen[together] = {
            name: np.sum([share[world] * seen[world][name] for world in shares], axis=0) for name in policies
        }
    return seen


def studied(
    episodes: Episodes, policies: list[str], shares: dict[str, float], own: dict[str, str], metric: str
) -> list[dict]:
    """A row for each world and each group of policies."""
    free = [name for name in policies if name not in own]
    seen = scored(episodes, policies, shares, metric)
    real = seen.pop(REALITY)
    rows = []
    for world in seen:
        groups = {"independent": free}
        if world in shares:
            groups["not its own"] = [name for name in policies if own.get(name) != world]
            groups["its own"] = [name for name in policies if own.get(name) == world]
        else:
            groups["all"] = policies
        for group, names in groups.items():
            if len(names) > 1:
                pair = (np.stack([side[name] for name in names]) for side in (real, seen[world]))
                rows.append(row(world, group, names, *pair))
    return rows


def against_members(
    episodes: Episodes, policies: list[str], shares: dict[str, float], own: dict[str, str], metric: str
) -> list[dict]:
    """The weighted mean minus each of its members, on independent policies, paired.

    ``chosen``: the member with the largest share, which one would take who has not seen how the worlds rank.
    """
    free = [name for name in policies if name not in own]
    seen = scored(episodes, policies, shares, metric)
    real, together = (np.stack([seen[world][name] for name in free]) for world in (REALITY, WEIGHTED))
    rows = []
    for world in shares:
        theirs = np.stack([seen[world][name] for name in free])
        found = ranking_difference(real, together, theirs, resamples=4000, seed=0)
        chosen = world == max(shares, key=shares.get)
        rows.append({"world": world, "chosen": chosen, **{name: asdict(found[name]) for name in MEASURES}})
    return rows


def row(world: str, group: str, names: list[str], real: np.ndarray, imagined: np.ndarray) -> dict:
    """The measures of one world on one group of policies."""
    found = ranking_study(real, imagined, resamples=4000, seed=0)
    return {
        "world": world,
        "group": group,
        "policies": len(names),
        "episodes": real.shape[1],
        **{name: asdict(found[name]) for name in MEASURES},
    }


def scores(episodes: Episodes, policies: list[str], worlds: list[str]) -> list[dict]:
    """The mean score of each policy in each world."""
    return [
        {"policy": policy}
        | {world: float(matrix(episodes, [policy], world, SCORES["coverage"]).mean()) for world in worlds}
        | {f"success in {REALITY}": float(matrix(episodes, [policy], REALITY, SCORES["success"]).mean())}
        for policy in policies
    ]


def bars(rows: list[dict]) -> dict[str, bool]:
    """The issue's bars on independent policies, by coverage."""
    free = {row["world"]: row for row in rows if row["group"] == "independent"}
    members = [row for world, row in free.items() if world not in (MEAN, WEIGHTED)]
    found = {}
    if "diffusion" in free:
        found["diffusion: r at least 0.9"] = free["diffusion"]["pearson"]["value"] >= 0.9
        found["diffusion: MMRV at most 0.05"] = free["diffusion"]["mmrv"]["value"] <= 0.05
    best_r = max(row["pearson"]["value"] for row in members)
    best_mmrv = min(row["mmrv"]["value"] for row in members)
    for together in (MEAN, WEIGHTED):
        found[f"{together}: r no worse than the best member's"] = free[together]["pearson"]["value"] >= best_r
        found[f"{together}: MMRV no worse than the best member's"] = free[together]["mmrv"]["value"] <= best_mmrv
    return found


def differences(rows: list[dict]) -> str:
    """The rows of `against_members` as Markdown."""
    lines = ["| weighted mean minus | " + " | ".join(MEASURES) + " |", "|---|" + "---|" * len(MEASURES)]
    for each in rows:
        cells = [cell(Estimate(**each[name])) for name in MEASURES]
        chosen = " (the largest share)" if each["chosen"] else ""
        lines.append(f"| {each['world']}{chosen} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def table(rows: list[dict]) -> str:
    """The rows as Markdown."""
    lines = ["| world | policies | " + " | ".join(MEASURES) + " |", "|---|---|" + "---|" * len(MEASURES)]
    for each in rows:
        cells = [cell(Estimate(**each[name])) for name in MEASURES]
        lines.append(f"| {each['world']} | {each['group']}, {each['policies']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(estimate: Estimate) -> str:
    """A figure and its interval."""
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def unknown(value: object) -> object:
    """The same with None for NaN: a correlation with a constant side is unknown."""
    if isinstance(value, dict):
        return {name: unknown(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [unknown(one) for one in value]
    return None if isinstance(value, float) and value != value else value


def compare(out: pathlib.Path) -> None:
    """The weighted mean against each of its members, from the episodes of a finished study."""
    study = json.loads((out / "ranking.json").read_text())
    episodes = read_episodes(out / "episodes.parquet")
    found = {
        name: against_members(episodes, study["policies"], study["shares"], study["optimised_in"], metric)
        for name, metric in SCORES.items()
    }
    write_atomically(out / "differences.json", canonical(unknown(found)) + "\n")
    sys.stdout.write("".join(f"\n{name}\n\n{differences(part)}" for name, part in found.items()))


def main() -> None:
    """Make, evaluate, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--size", choices=sorted(SETTINGS), default="full")
    parser.add_argument("--executor", default="processes:2")
    parser.add_argument("--only", choices=("prepare", "report", "compare"), help="stop after, or begin with, this")
    arguments = parser.parse_args()
    task, settings, out = find_task("push-t"), SETTINGS[arguments.size], arguments.out.resolve()
    if arguments.only == "compare":
        compare(out)
        return
    ready = prepared(task, settings, out)
    policies, worlds, own = ready.policies, ready.worlds, ready.own
    plan = Plan(tuple(range(FIRST_SEED, FIRST_SEED + settings.episodes)), settings.length, {}, settings.batch)
    items, store = items_of(task, policies, worlds, plan), Store(out / "items")
    names, places = [each.name for each in policies], [each.name for each in worlds]
    if arguments.only == "prepare":
        return
    if arguments.only != "report":
        texts = {item.key: canonical(item) for part in items.values() for item in part}
        run_items(
            texts, run_item, find_place(arguments.executor), store, told=lambda done, of: say(f"items {done}/{of}")
        )
    episodes, done = evaluated(items, names, places, store)
    write_episodes(out / "episodes.parquet", episodes)
    shares = weights(task, ready, settings, store)
    rows = {name: studied(episodes, done, shares, own, metric) for name, metric in SCORES.items()}
    result = {
        "settings": asdict(settings),
        "first_seed": FIRST_SEED,
        "shares": shares,
        "policies": done,
        "left_out": [name for name in names if name not in done],
        "optimised_in": {name: own[name] for name in done if name in own},
        "scores": scores(episodes, done, places),
        "rows": rows,
        "bars": bars(rows["coverage"]),
    }
    write_atomically(out / "ranking.json", canonical(unknown(result)) + "\n")
    sys.stdout.write("".join(f"{name}\n\n{table(part)}\n" for name, part in rows.items()))
    sys.stdout.write("".join(f"{name}: {'yes' if held else 'NO'}\n" for name, held in result["bars"].items()))
    compare(out)


if __name__ == "__main__":
    main()

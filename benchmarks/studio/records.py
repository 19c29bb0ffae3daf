"""A small registry with one of everything, made by the real commands: what the pages of the studio are looked at with.

python benchmarks/studio/records.py --folder FOLDER

It takes the nano loop of Push-T, a dataset with a camera, tests in four worlds, real trials of two purses,
exploitation, failure modes, audits, two gates (one refuses), an advisory and a patch. What was done is not done again,
so that an interrupted run goes on. Then `python benchmarks/studio/shots.py --folder FOLDER` looks at it.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parents[2]
RUN = "runs/push-t-nano-0"
WORLDS = f"push-t,push-t-mujoco,push-t-quasistatic,{RUN}/world"
RELEASE = {"task": "push-t", "budget": "lab", "discovery": 3, "worlds": 2, "structures": 2}
STRICT = RELEASE | {"least": 0.6, "estimation": 20, "evidence": "L7", "channel": "prod"}
LOOSE = RELEASE | {"least": 0.0, "estimation": 8, "effective": 1.0, "verdict": "unverifiable", "evidence": "L6"}
TESTED = (f"{RUN}/policy", f"{RUN}/policy-0", "play", "demonstrations")
REAL = "THE TEST IN REALITY"
"""Stands for the id of the policy's evaluation in reality."""
REFUSED = 1
"""The exit code of a gate that refuses, an audit that finds something, and of exploitation that is shown."""


def story(episodes: int) -> list[tuple[str, ...]]:
    """The commands, in order."""
    tests = [
        ("evaluate", policy, "--in", WORLDS, "--episodes", str(episodes), "--seed", "200000", "--items", "items")
        for policy in TESTED
    ]
    trials = ("budget", "grant", "lab", "--unit", "trials")
    return [
        ("run", "push-t", "--size", "nano"),
        ("collect", "push-t", "--out", "data/camera", "--episodes", "4", "--policy", "play", "--images", "png"),
        *tests,
        (*trials, "40", "--purse", "estimation", "--why", "release of the nano policy"),
        (*trials, "10", "--purse", "discovery", "--why", "where the worlds disagree"),
        ("budget", "plan", "lab", "push-t/policy", "--estimation", "8", "--discovery", "4"),
        ("budget", "run", "lab", "--world", "push-t"),
        ("exploit", f"{RUN}/policy", f"{RUN}/world", "--dataset", f"{RUN}/data", "--others", "push-t", "push-t-mujoco")
        + ("--episodes", "8", "--out", "exploit.json"),
        ("failures", REAL, "--worlds", "push-t-mujoco", f"{RUN}/world", "--most", "12"),
        ("audit", REAL),
        ("gate", "push-t/policy", "--protocol", "strict.json", "--page", "strict.html"),
        ("gate", "push-t/policy", "--protocol", "loose.json", "--page", "loose.html"),
        ("channel", "set", "prod", "push-t/policy", "--reason", "the nano policy, to try the channel"),
        ("advise", "low-friction", f"{RUN}/world", "--title", "the block slides too far", "--severity", "high")
        + ("--region", "friction=0.0..0.3"),
        ("patch", f"{RUN}/world", "--data", f"{RUN}/data", "--out", "runs/patched", "--updates", "100")
        + ("--closes", "low-friction"),
        ("status",),
    ]


def real_test(folder: Path) -> str:
    """The newest evaluation of the run's policy in reality on common starts."""
    from diorama.registry.registry import Registry

    policy = json.loads((folder / RUN / "versions.json").read_text())["policy"]
    with Registry.open(folder / ".diorama") as registry:
        worlds = [one.id for one in registry.versions(kind="simulator") if one.name == "push-t/reality"]
        for one in reversed(registry.versions(kind="evaluation")):
            ends = {edge.role: edge.target for edge in one.edges}
            known = "episodes.parquet" in one.manifest.blobs and one.fields.get("in")
            if known and ends.get("evaluates") == policy and ends.get("evaluated_in") in worlds:
                return one.id
    raise SystemExit("The policy was not tested in reality.")


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--episodes", type=int, default=20)
    given = parser.parse_args()
    folder, console = given.folder, Console()
    folder.mkdir(parents=True, exist_ok=True)
    for name, protocol in (("strict", STRICT), ("loose", LOOSE)):
        (folder / f"{name}.json").write_text(json.dumps({"release": protocol}), encoding="utf-8")
    notes = folder / "done.json"
    done = json.loads(notes.read_text()) if notes.is_file() else []
    for command in story(given.episodes):
        if (asked := list(command)) in done:
            continue
        console.rule("diorama " + " ".join(command))
        command = [real_test(folder) if word is REAL else word for word in command]
        whole = [sys.executable, "-m", "diorama.cli.main", *command]
        ended = subprocess.run(whole, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, check=False)
        if ended.returncode not in (0, REFUSED):
            raise SystemExit(ended.returncode)
        done.append(asked)
        notes.write_text(json.dumps(done), encoding="utf-8")


if __name__ == "__main__":
    main()

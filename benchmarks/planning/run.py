"""Seconds per plan: our planners and their peers at equal samples, rounds, horizon and network, taking turns.

python benchmarks/planning/run.py [--peer PYTHON] [--tdmpc2 FOLDER] [--cores 1 2] [--repeats 7] [--rows cem] [--out F]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from settings import OURS, PEERS, SETTINGS, write_weights

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HEAD = (
    "ratio",
    "row",
    "worlds x samples x rounds x horizon",
    "cores",
    "Diorama",
    "peer",
    "ratio of CPU time",
    "peer's name",
)
TOLERANCE = 1e-3
"""By how much the two sides' imagined returns may differ, relative to their spread (float32, other summation order)."""


class Worker:
    """A process that measures the planners of one side."""

    def __init__(self, python: Path, script: str, weights: Path, cores: int, more: dict[str, str]) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(cores))
        environment = os.environ | threads | {"JAX_PLATFORMS": "cpu", "HF_HUB_OFFLINE": "1"} | more
        command = [str(python), str(HERE / script), str(weights), str(cores)]
        self.log = weights.with_name(f"{script}.{cores}.log")
        pipe = subprocess.PIPE
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=environment)

    def ask(self, do: str, name: str, setting: str) -> dict[str, Any]:
        """The answer to one question; raises `RuntimeError` with the end of the log where the worker died."""
        self.process.stdin.write(json.dumps({"do": do, "name": name, "setting": setting}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{name} at {setting} failed:\n{self.log.read_text()[-2000:]}")
        return json.loads(answer)

    def close(self) -> None:
        """Let the process end."""
        self.process.stdin.close()
        self.process.wait()


def check(workers: dict[str, Worker], setting: str) -> dict[str, Any]:
    """Do all sides imagine the same returns, and as many steps of the network? Raises `RuntimeError` where not."""
    found = {name: worker.ask("check", name, setting) for name, worker in workers.items()}
    ours = found[OURS]
    for name, other in found.items():
        gap = max(abs(a - b) for a, b in zip(ours["scores"], other["scores"], strict=True))
        if gap > TOLERANCE * statistics.pstdev(ours["scores"]):
            raise RuntimeError(f"{name} imagines other returns than ours at {setting}: {gap:.2g} apart.")
        # Ours scores the last plan of a descent once more, and a rematerialised step counts twice.
        if SETTINGS[setting].planner != "gradient" and other["steps"] != ours["steps"]:
            raise RuntimeError(f"{name} imagines {other['steps']} steps at {setting}, ours {ours['steps']}.")
    return {name: answer["steps"] for name, answer in found.items()}


def measure(workers: dict[str, Worker], setting: str, repeats: int) -> dict[str, Any]:
    """Medians over ``repeats`` rounds, in each of which every side plans once."""
    for name, worker in workers.items():
        worker.ask("open", name, setting)
    steps = check(workers, setting)
    times: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": []} for name in workers}
    for number in range(repeats + 1):
        for name, worker in workers.items():
            took = worker.ask("measure", name, setting)
            for clock in ("wall", "cpu") if number else ():  # the first round warms the caches
                times[name][clock].append(took[clock])
    medians = {name: {clock: statistics.median(v) for clock, v in clocks.items()} for name, clocks in times.items()}
    return {"steps of two rounds": steps, "median seconds": medians, "seconds": times}


def lines(setting: str, cores: int, found: dict[str, Any]) -> list[str]:
    """The rows of the table: the peer's time divided by ours first, so that above 1 is a win."""
    budget, medians = SETTINGS[setting], found["median seconds"]
    size = f"{budget.worlds} x {budget.samples} x {budget.rounds} x {budget.horizon}"
    ours, rows = medians[OURS], []
    for name, peer in medians.items():
        if name != OURS:
            cells = (f"{peer['wall'] / ours['wall']:.2f}", setting, size, str(cores), f"{ours['wall'] * 1e3:.0f} ms")
            rows.append((*cells, f"{peer['wall'] * 1e3:.0f} ms", f"{peer['cpu'] / ours['cpu']:.2f}", name))
    return ["| " + " | ".join(row) + " |\n" for row in rows]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    there = os.environ.get("DIORAMA_PEER", ROOT / ".peer" / "bin" / "python")
    parser.add_argument("--peer", type=Path, default=there, help="Python with torch and stable-worldmodel")
    checkout = os.environ.get("TDMPC2", ROOT / ".peer" / "tdmpc2")
    parser.add_argument("--tdmpc2", type=Path, default=checkout, help="checkout of nicklashansen/tdmpc2")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rows", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if not asked.peer.exists():
        raise SystemExit("There is no environment of the peers; make it with benchmarks/loaders/make_peer.sh.")
    return asked


def compare(asked: argparse.Namespace, weights: Path, cores: int) -> dict[str, Any]:
    """All rows with so many cores, printed as they come."""
    stub = {"PYTHONPATH": str(ROOT / "benchmarks" / "loaders" / "stub"), "TDMPC2": str(asked.tdmpc2)}
    ours = Worker(Path(sys.executable), "ours.py", weights, cores, {"PYTHONPATH": str(ROOT / "src")})
    theirs, results = Worker(asked.peer, "peers.py", weights, cores, stub), {}
    for setting in asked.rows:
        peers = [name for name in PEERS[setting] if not name.startswith("TD-MPC2") or asked.tdmpc2.exists()]
        if not peers:
            sys.stdout.write(f"| left out | {setting}: there is no checkout of TD-MPC2 |\n")
            continue
        results[setting] = measure({OURS: ours} | dict.fromkeys(peers, theirs), setting, asked.repeats)
        sys.stdout.writelines(lines(setting, cores, results[setting]))
        sys.stdout.flush()
    for worker in (ours, theirs):
        worker.close()
    return results


def main() -> None:
    """Measure, print one table, write the figures as JSON where asked."""
    asked = arguments()
    sys.stdout.write("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.npz"
        write_weights(weights)
        results = {str(cores): compare(asked, weights, cores) for cores in asked.cores}
    machine = {"platform": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}
    if asked.out:
        report = {"rows": asked.rows, "repeats": asked.repeats, "machine": machine, "results by cores": results}
        asked.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

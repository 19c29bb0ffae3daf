"""Windows per second: our loader and its peers, on the same clips of the same episodes, alternating.

python benchmarks/loaders/run.py [--episodes 40] [--steps 100] [--side 96] [--batch 64] [--repeats 7] [--out FILE]
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

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OURS = {
    "picture windows, first epoch": ["diorama h264 (building the cache)", "diorama png (building the cache)"],
    "picture windows": ["diorama h264", "diorama png", "diorama h264, pictures as float32"],
    "state windows": ["diorama state"],
}
PEERS = {
    "picture windows": [
        "stable-worldmodel hdf5",
        "stable-worldmodel hdf5, all in memory",
        "stable-worldmodel lance",
        "lerobot h264",
        "lerobot png",
        "lerobot on our h264 dataset",
    ],
    "state windows": [
        "stable-worldmodel hdf5 state",
        "stable-worldmodel hdf5 state, all in memory",
        "stable-worldmodel lance state",
        "stable-worldmodel lance state, all in memory",
        "lerobot state",
    ],
}
SECONDS = 0.5
"""About how long one measurement shall take."""


def peer_command(script: str, data: Path) -> tuple[list[str], dict[str, str]]:
    """Command and environment for a script of this folder in ``.peer``; raises `SystemExit` where that is missing."""
    home = ROOT / ".peer"
    python = home / "bin" / "python"
    if not python.exists():
        raise SystemExit("There is no .peer environment; make it with benchmarks/loaders/make_peer.sh.")
    (libraries,) = home.glob("lib/python3.*/site-packages/av.libs")
    more = {"LD_LIBRARY_PATH": f"{home / 'ffmpeg'}:{libraries}", "PYTHONPATH": str(HERE / "stub")}
    return [str(python), str(HERE / script), str(data)], _environment(more)


def our_command(script: str, data: Path) -> tuple[list[str], dict[str, str]]:
    """The same in the environment that runs this file."""
    return [sys.executable, str(HERE / script), str(data)], _environment({"PYTHONPATH": str(ROOT / "src")})


def _environment(more: dict[str, str]) -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return os.environ | threads | {"HF_HUB_OFFLINE": "1", "JAX_PLATFORMS": "cpu"} | more


class Worker:
    """A process that measures the loaders of one virtual environment."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        pipe, self.log = subprocess.PIPE, log
        with log.open("w") as errors:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=environment)

    def ask(self, **question: Any) -> dict[str, Any]:
        """The answer to one question; raises `RuntimeError` with the end of the log where the worker died."""
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{question} failed:\n{self.log.read_text()[-2000:]}")
        return json.loads(answer)

    def close(self) -> None:
        """Let the process end."""
        self.process.stdin.close()
        self.process.wait()


def measure(workers: dict[str, Worker], names: list[str], draw: dict[str, int], repeats: int) -> dict[str, Any]:
    """Medians over ``repeats`` rounds, in each of which every loader is measured once."""
    rows: dict[str, Any] = {}
    for name in names:
        opened = workers[name].ask(do="open", loader=name)
        check = workers[name].ask(do="check", loader=name, draw=draw | {"seed": 0})
        trial = workers[name].ask(do="measure", loader=name, batches=3, draw=draw | {"seed": 1})
        batches = int(min(max(SECONDS / (trial["wall"] / 3), 4), 3000))
        rows[name] = {"open_s": opened["wall"], "error": check, "batches": batches, "wall": [], "cpu": []}
        rows[name]["error"] = {key: check[key] for key in ("state", "pictures") if key in check}
    for k in range(repeats):
        for name in names:
            batches = rows[name]["batches"]
            took = workers[name].ask(do="measure", loader=name, batches=batches, draw=draw | {"seed": 100 + k})
            for clock in ("wall", "cpu"):
                rows[name][clock].append(batches * draw["batch"] / took[clock])
    for row in rows.values():
        row |= {f"{clock}_windows_per_s": statistics.median(row[clock]) for clock in ("wall", "cpu")}
    return rows


def first_epochs(worker: Worker, draw: dict[str, int], windows: int) -> dict[str, Any]:
    """The first epoch of our loader, the decoding of all pictures into the cache included."""
    rows = {}
    batches = windows // draw["batch"]
    for name in OURS["picture windows, first epoch"]:
        opened = worker.ask(do="open", loader=name)
        took = worker.ask(do="measure", loader=name, batches=batches, draw=draw | {"seed": 1})
        row: dict[str, Any] = {"open_s": opened["wall"], "batches": batches}
        for clock in ("wall", "cpu"):
            row[f"{clock}_windows_per_s"] = batches * draw["batch"] / (opened[clock] + took[clock])
        rows[name] = row
    return rows


def best(rows: dict[str, Any], clock: str, in_memory: bool) -> float:
    """Windows per second of the fastest peer; with or without those that hold the whole dataset in memory."""
    peers = [n for n in rows if not n.startswith("diorama") and (in_memory or "all in memory" not in n)]
    return max((rows[name][clock] for name in peers), default=0.0)


def compare(title: str, rows: dict[str, Any], console: Console) -> dict[str, float]:
    """Print one table; our slowest row (float32 left out) as a multiple of the best peer, by wall and CPU time."""
    table = Table(title=title)
    for head in ("loader", "windows/s wall", "windows/s CPU", "of best peer, CPU", "opening s", "error"):
        table.add_column(head, justify="left" if head in ("loader", "error") else "right", no_wrap=True)
    top = best(rows, "cpu_windows_per_s", True)
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["cpu_windows_per_s"]):
        error = ", ".join(f"{key} {value:.3g}" for key, value in row.get("error", {}).items())
        wall, cpu = row["wall_windows_per_s"], row["cpu_windows_per_s"]
        times = f"{cpu / top:.3f}" if top else ""
        table.add_row(name, f"{wall:,.0f}", f"{cpu:,.0f}", times, f"{row['open_s']:.2f}", error)
    console.print(table)
    ratios = {}
    for clock in ("wall", "cpu"):
        key = f"{clock}_windows_per_s"
        ours = min(r[key] for n, r in rows.items() if n.startswith("diorama") and "float32" not in n)
        for label, in_memory in (("best peer", True), ("best peer that reads from disk", False)):
            if reference := best(rows, key, in_memory):
                ratios[f"times {label} ({clock})"] = ours / reference
    return ratios


def bytes_under(path: Path) -> int:
    """Bytes of a file or of all files in a folder, caches of ours left out."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file() and ".cache" not in p.parts]
    return sum(file.stat().st_size for file in files)


def main() -> None:
    """Make the episodes, let everybody write and read them, print tables, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("episodes", 40), ("steps", 100), ("side", 96), ("batch", 64), ("repeats", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    asked = parser.parse_args()
    console = Console(width=140)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        sys.path.insert(0, str(HERE))
        from clips import CLIP, make_episodes

        make_episodes(data / "episodes.npz", asked.episodes, asked.steps, asked.side)
        ours = Worker(*our_command("ours.py", data), data / "ours.log")
        peers = Worker(*peer_command("peers.py", data), data / "peers.log")
        seconds = ours.ask(do="write")["seconds"] | peers.ask(do="write")["seconds"]
        written = {n: {"seconds": s, "MB": bytes_under(data / n) / 1e6} for n, s in seconds.items()}
        draw = {"batch": asked.batch, "episodes": asked.episodes, "steps": asked.steps}
        results = {"first epoch": first_epochs(ours, draw, asked.episodes * (asked.steps - CLIP + 1))}
        ratios = {}
        compare("picture windows, first epoch: decoding everything included", results["first epoch"], console)
        for kind in ("picture windows", "state windows"):
            workers = dict.fromkeys(OURS[kind], ours) | dict.fromkeys(PEERS[kind], peers)
            # Ours first, then a peer, and so on, so that a noisy moment strikes both.
            names = [name for pair in _paired(OURS[kind], PEERS[kind]) for name in pair]
            results[kind] = measure(workers, names, draw, asked.repeats)
            ratios[kind] = compare(f"{kind} of {CLIP} steps, batch {asked.batch}", results[kind], console)
        for worker in (ours, peers):
            worker.close()
    for kind, ratio in ratios.items():
        console.print(f"{kind}: " + ", ".join(f"{value:.1f} {label}" for label, value in ratio.items()))
    machine = {"platform": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}
    report = {"command": vars(asked) | {"out": asked.out.name}, "machine": machine, "ratios": ratios}
    asked.out.write_text(json.dumps(report | {"written": written, "results": results}, indent=1) + "\n")


def _paired(left: list[str], right: list[str]) -> list[list[str]]:
    longest = max(len(left), len(right))
    return [[*left[k : k + 1], *right[k : k + 1]] for k in range(longest)]


if __name__ == "__main__":
    main()

"""Interactive play end to end: a scripted player drives each world over a WebSocket of a studio in another process.

Run: ``python benchmarks/play/run.py``. For each world it prints frames/s, latency from an input's sending to the
arrival of the frame (and picture) that used it, and CPU time of the server for one frame. Then ``--minutes`` of play in
one world, with the server's memory before and after. The learned worlds have their real sizes and no training, which
changes no speed. ``--quick``: two worlds, few frames.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import websockets

ROOT = Path(__file__).resolve().parents[2]
RATE = 60.0
HEAD = "| world | frames/s | latency p50 / p95 / p99 ms | server CPU ms a frame | step, show ms | skipped |\n"
PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


def build_worlds(folder: Path) -> None:
    """Untrained worlds of every family and size that is asked for, as run folders."""
    from diorama.envs.pusht import PushT
    from diorama.envs.pusht.interface import Relative
    from diorama.models import build, save
    from diorama.models.config import EnsembleConfig
    from diorama.models.diffusion.config import DiffusionConfig
    from diorama.models.rssm.config import RSSMConfig
    from diorama.recipes.presets import PUSH_T
    from diorama.recipes.push_t_hybrid import hybrid, hybrid_config, save_hybrid

    states, pictures = (PushT(Relative(), (name,), pixels=64).spec for name in ("features", "pixels"))
    plain = {
        "ensemble-s": EnsembleConfig("s", PUSH_T.body),
        "rssm-s": RSSMConfig("s"),
        "diffusion-s": DiffusionConfig("s", "mlp", context=2, frame=PUSH_T.body),
    }
    seen = {
        "pixels64-rssm-nano": RSSMConfig("nano"),
        "pixels64-diffusion-patches-nano": DiffusionConfig("nano", "patches"),
        "pixels64-diffusion-patches-xs": DiffusionConfig("xs", "patches"),
        "pixels64-diffusion-unet-nano": DiffusionConfig("nano", "unet"),
        "pixels64-diffusion-unet-nano-1-step": DiffusionConfig("nano", "unet", steps=1),
        "pixels64-diffusion-unet-xs": DiffusionConfig("xs", "unet"),
    }
    for spec, configs in ((states, plain), (pictures, seen)):
        for name, config in configs.items():
            save(folder / name, build(config, spec, 0), config)
    config = hybrid_config("s")
    save_hybrid(folder / "hybrid-s", hybrid(config, states), config)


def serve(folder: Path) -> None:
    """The studio over an empty registry and these worlds; it says its address and runs until it is ended."""
    from diorama.recipes.book import Book, Places
    from diorama.registry.registry import Registry
    from diorama.studio.web.serve import serve as serve_studio
    from diorama.studio.web.settings import Settings

    build_worlds(folder / "worlds")
    with Book(Registry.open(folder / "registry"), Places(folder / "registry")) as book:
        settings = Settings(port=0, runs=(folder / "worlds",))
        serve_studio(book, settings, lambda text: sys.stdout.write(text + "\n") and sys.stdout.flush())


class Player:
    """Drags the pusher around the table, as fast as frames come, and notes how long each answer took."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.times: list[float] = []
        self.spent: list[tuple[float, float]] = []
        self.last: dict = {}
        self._seq = 0
        self._sent: dict[int, float] = {}

    async def play(self, address: str, world: str, going: Callable[["Player"], bool]) -> None:
        """Play until it is no longer ``going``."""
        async with websockets.connect(address, max_size=2**22) as link:
            opened = {"type": "open", "world": world, "start": {"seed": 3}, "rate": RATE}
            await link.send(json.dumps(opened))
            while going(self):
                message = json.loads(await link.recv())
                if message["type"] in ("error", "bye"):
                    raise SystemExit(f"{world}: {message}")
                if message["type"] == "paused" and message["on"]:
                    await link.send(json.dumps({"type": "reset"}))
                if message["type"] == "frame":
                    for _ in message["pictures"]:
                        await link.recv()
                    await self._frame(link, message)

    async def _frame(self, link: object, message: dict) -> None:
        now = time.perf_counter()
        self.times.append(now)
        self.last = message
        self.spent.append((message["ms"]["step"], message["ms"]["show"]))
        if message["echo"]:
            self.latencies.append(now - self._sent[message["echo"]["seq"]])
            self._sent = {seq: sent for seq, sent in self._sent.items() if seq > message["echo"]["seq"]}
        self._seq += 1
        self._sent[self._seq] = now
        angle = self._seq / 15
        point = [0.5 + 0.35 * math.cos(angle), 0.5 + 0.35 * math.sin(angle)]
        said = {"type": "input", "point": point, "seq": self._seq, "sent": now, "seen": message["frame"]}
        await link.send(json.dumps(said))

    def row(self, title: str, cpu: float) -> str:
        """A line of the table; ``cpu``: of the server over all frames [s]."""
        rate = (len(self.times) - 1) / (self.times[-1] - self.times[0])
        low, high, most = (1e3 * np.quantile(self.latencies, q) for q in (0.5, 0.95, 0.99))
        step, show = np.median(np.array(self.spent), axis=0)
        each = 1e3 * cpu / len(self.times)
        return (
            f"| {title} | {rate:.1f} | {low:.0f} / {high:.0f} / {most:.0f} | {each:.1f} | {step:.1f}, {show:.1f} "
            f"| {self.last['skipped']} |\n"
        )


def used(process: int) -> tuple[float, float]:
    """CPU time [s] and resident memory [MB] of a process."""
    stat = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    resident = int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE / 2**20
    return (int(stat[11]) + int(stat[12])) / TICK, resident


def measure(address: str, server: int, world: dict, frames: int) -> str:
    """A row: a short play to compile everything, then the play that is measured."""
    link = address.replace("http", "ws") + "api/v1/play/session"
    asyncio.run(Player().play(link, world["id"], lambda player: len(player.times) < 5))
    player, before = Player(), used(server)[0]
    asyncio.run(player.play(link, world["id"], lambda player: len(player.times) < frames))
    return player.row(world["title"], used(server)[0] - before)


def endure(address: str, server: int, world: dict, minutes: float) -> str:
    """Minutes of play in one world: the server's memory after each quarter."""
    link = address.replace("http", "ws") + "api/v1/play/session"
    seen, until = [used(server)[1]], time.monotonic() + 60 * minutes
    player = Player()
    for quarter in range(1, 5):
        end = until - 60 * minutes * (4 - quarter) / 4
        asyncio.run(player.play(link, world["id"], lambda _, end=end: time.monotonic() < end))
        seen.append(used(server)[1])
    told = ", ".join(f"{value:.0f}" for value in seen)
    about = f"{minutes:g} minutes of {world['title']}, {len(player.times)} frames"
    return f"{about}: {told} MB before and after each quarter\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300, help="frames of each world")
    parser.add_argument("--minutes", type=float, default=2.0, help="of the play that watches the memory; 0 for none")
    parser.add_argument("--only", nargs="*", default=[], help="worlds whose title holds one of these words")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve)
        return
    if asked.quick:
        asked.frames, asked.minutes, asked.only = 40, 0.1, ["gym-pusht", "ensemble"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--serve", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
            try:
                report(asked, server)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    server.terminate()


def report(asked: argparse.Namespace, server: subprocess.Popen) -> None:
    """Measure every world that is asked for, and then the memory."""
    import urllib.request

    address = server.stdout.readline().split()[1]
    with urllib.request.urlopen(address + "api/v1/play/worlds", timeout=120) as answer:
        worlds = json.load(answer)["worlds"]
    worlds = [
        w for w in worlds if w["arena"] == "push-t" and (not asked.only or any(o in w["title"] for o in asked.only))
    ]
    sys.stdout.write(f"{RATE:g} frames/s asked for, {asked.frames} frames each, load {os.getloadavg()[0]:.1f}\n\n")
    sys.stdout.write(HEAD + "|---" * 6 + "|\n")
    for world in worlds:
        sys.stdout.write(measure(address, server.pid, world, asked.frames))
        sys.stdout.flush()
    if asked.minutes and worlds:
        sys.stdout.write("\n" + endure(address, server.pid, worlds[0], asked.minutes))


if __name__ == "__main__":
    main()

"""Screenshots of the studio over a registry, as they stand in docs/studio.md. Needs Chromium.

python benchmarks/studio/shots.py --folder FOLDER --out docs/images

FOLDER is where `python benchmarks/studio/records.py --folder FOLDER` worked, or `make demo`.
"""

import argparse
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync", "--no-first-run"]
MADE_MS, SCALE = 120_000, 0.8


def tested(address: str) -> str:
    """The page of the newest test of a trained policy in reality."""
    chosen = (one for one in asked(address, "scores")["items"] if one["origin"] == "real" and not one["scripted"])
    return f"/evaluations/{next(one['id'] for one in chosen if one['also'])}"


def stale(address: str) -> str:
    """The lineage of what is stale first."""
    found = next(iter(asked(address, "home")["stale"]), None)
    return "/lineage" if found is None else f"/lineage?of={found['id']}"


def asked(address: str, what: str) -> dict:
    """An answer of the API."""
    with urllib.request.urlopen(f"{address}/api/v1/{what}", timeout=120) as answer:
        return json.load(answer)


SHOTS = {
    "studio-home": ("/", "light", (1280, 860), ""),
    "studio-lineage": (stale, "dark", (1280, 860), ""),
    "studio-phone": ("/", "light", (390, 860), ""),
    "studio-gate": ("/gate", "light", (1280, 1010), ""),
    "studio-replay": (tested, "light", (700, 900), ".seed >> nth=2"),
}
"""Name of the file to the page (or what finds it), the colours, the size of the window [px], and what is clicked."""


def main() -> None:
    """Serve, look, and stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("."))
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    command = [sys.executable, "-m", "diorama.cli.main", "studio", "--registry", ".diorama", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=given.folder, env=environment) as server:
        address = server.stdout.readline().split()[1].rstrip("/")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for name, (path, colours, (width, height), clicked) in SHOTS.items():
                window = {"width": width, "height": height}
                page = browser.new_page(viewport=window, color_scheme=colours, device_scale_factor=SCALE)
                page.goto(address + (path if isinstance(path, str) else path(address)), wait_until="networkidle")
                if clicked:
                    page.click(clicked)
                    page.wait_for_selector(".player canvas", timeout=MADE_MS)
                    page.locator(".player input[type=range]").fill("60")
                page.screenshot(path=given.out / f"{name}.png")
            browser.close()
        server.terminate()


if __name__ == "__main__":
    main()

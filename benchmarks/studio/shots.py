"""Screenshots of the studio over a registry, as they stand in docs/studio.md. Needs Chromium.

python benchmarks/studio/shots.py --registry .diorama --runs runs --out docs/images

Made after `make demo`, which leaves that registry and that folder.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync", "--no-first-run"]
SHOTS = {
    "studio-home": ("/", "light", (1280, 860)),
    "studio-lineage": ("/lineage", "dark", (1280, 560)),
    "studio-phone": ("/", "light", (390, 860)),
}
"""Name of the file to the page, the colours and the size of the window [px]."""


def main() -> None:
    """Serve, look, and stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", type=Path, default=Path(".diorama"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    command = [sys.executable, "-m", "diorama.cli.main", "studio", "--registry", given.registry, "--runs", given.runs]
    with subprocess.Popen([*map(str, command), "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        address = server.stdout.readline().split()[1].rstrip("/")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for name, (path, colours, (width, height)) in SHOTS.items():
                window = {"width": width, "height": height}
                page = browser.new_page(viewport=window, color_scheme=colours)
                page.goto(address + path, wait_until="networkidle")
                page.screenshot(path=given.out / f"{name}.png")
            browser.close()
        server.terminate()


if __name__ == "__main__":
    main()

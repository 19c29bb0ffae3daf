"""MLflow on SQLite: what it has of the operations that are measured of the registry. Run by `run.py --peer PYTHON`.

python benchmarks/registry/peer.py FOLDER REPEATS

In an environment with `mlflow-skinny`, `sqlalchemy`, `alembic` and `sqlparse`. Writes JSON: row to seconds.
"""

import json
import sys
from importlib.metadata import version
from typing import Any

from timing import seconds

PRELOADED = 300
"""Versions that are there before the look-ups are measured."""


def main(folder: str, repeats: int) -> dict[str, Any]:
    """The rows. A version here is a registered model's version with a tag; MLflow has no lineage to walk."""
    from mlflow.tracking import MlflowClient

    url, made, rows = f"sqlite:///{folder}/mlflow.db", [], {}
    name = f"MLflow {version('mlflow-skinny')}"

    def start() -> None:
        made.append(MlflowClient(tracking_uri=url, registry_uri=url))
        made[0].create_registered_model("family")

    rows[f"{name}: open a new registry"] = seconds(start, 1)
    client = made[0]

    def register() -> None:
        client.create_model_version("family", source=folder, tags={"lr": "3e-4"})

    for _ in range(PRELOADED):
        register()
    rows[f"{name}: register one version, {PRELOADED} there"] = seconds(register, 4 * repeats)
    rows[f"{name}: get one version by name and number"] = seconds(
        lambda: client.get_model_version("family", "7"), repeats
    )
    client.set_registered_model_alias("family", "prod", "7")
    rows[f"{name}: get one version by alias"] = seconds(
        lambda: client.get_model_version_by_alias("family", "prod"), repeats
    )
    rows[f"{name}: a page of 50 of a family"] = seconds(
        lambda: client.search_model_versions("name='family'", max_results=50), repeats
    )
    rows[f"{name}: closures, status, blobs by digest"] = "absent: it has no such operation"
    return rows


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]))) + "\n")

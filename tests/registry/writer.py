"""A process that writes to a registry until it is stopped: ``writer.py OPTIONS NUMBER COUNT [LARGEST]``.

It says on its output, line by line, the id of each version and the digest of each blob once they are registered.
``LARGEST`` makes it fail as on a full disk: no file may grow beyond so many bytes.
"""

import json
import resource
import sys

from diorama.registry.records import BudgetEntry, Edge, Manifest
from diorama.registry.registry import Registry


def write(registry: Registry, number: str, count: int) -> None:
    """Register ``count`` chained versions of family ``w{number}``, each with a blob and an entry of the log."""
    last = registry.register(Manifest("dataset", "root")).id
    for k in range(count):
        digest = registry.add_blob(json.dumps({"writer": number, "k": k, "filling": "x" * 20_000}).encode())
        edges = (Edge("trained_on", last),)
        last = registry.register(Manifest("policy", f"w{number}", {"k": k}, {"w.json": digest}, edges)).id
        registry.append(BudgetEntry("writes", f"w{number}", 1.0, "versions"))
        sys.stdout.write(f"{last} {digest}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    for largest in map(int, sys.argv[4:]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with Registry.open(**json.loads(sys.argv[1])) as opened:
        write(opened, sys.argv[2], int(sys.argv[3]))

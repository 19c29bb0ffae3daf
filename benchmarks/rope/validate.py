"""Every validation case of the rod, with its value, what is expected and the error.

Run: ``python benchmarks/rope/validate.py [--only V2 V10 ...]``. A few minutes of one core, most of it compilation. Ends
with an error where a case is off.
"""

import argparse
import sys
import time

import jax

from diorama.core.errors import DioramaError
from diorama.envs.rope.validation import CASES

COLUMNS = "{:52} {:>13} {:>13} {:>10} {:>8}  {}\n"


def main() -> int:
    """Run the cases, write the table, count the failures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="the first words of the cases to run, such as V2")
    only = parser.parse_args().only
    sys.stdout.write(COLUMNS.format("", "value", "expected", "error", "allowed", ""))
    failures = 0
    for name, case in CASES.items():
        if not only or name.split()[0] in only:
            failures += run(name, case)
    return failures


def run(name: str, case) -> int:
    """Write one case; the number of its rows that are off."""
    begun = time.process_time()
    try:
        with jax.enable_x64(True):
            results = case()
    except DioramaError as error:
        sys.stdout.write(f"{name}: {error}\n")
        return 1
    sys.stdout.write(f"{name} ({time.process_time() - begun:.1f} s)\n")
    for row in results:
        numbers = (f"{row.value:.6g}", f"{row.expected:.6g}", f"{row.error:.1e}", f"{row.tolerance:.0e}")
        sys.stdout.write(COLUMNS.format("  " + row.quantity, *numbers, "" if row.passed else "OFF"))
    sys.stdout.flush()
    return sum(not row.passed for row in results)


if __name__ == "__main__":
    sys.exit(main())

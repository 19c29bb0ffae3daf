"""A PostgreSQL server of the tests' and the benchmark's own, from the packages of the distribution."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import uuid

MEMORY = pathlib.Path("/dev/shm")
"""Where a flush costs nothing, so that tests spend their time on what they test."""


def scratch() -> pathlib.Path:
    """A new folder, in memory where the system has such a place."""
    return pathlib.Path(tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None))


def disk() -> pathlib.Path:
    """A new folder on the disk."""
    return pathlib.Path(tempfile.mkdtemp())


def programs() -> pathlib.Path | None:
    """The folder of PostgreSQL's programs; None where it is not installed."""
    installed = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(installed[-1]) if installed else shutil.which("initdb")
    return pathlib.Path(found).parent if found else None


class Server:
    """A PostgreSQL server on a socket in a scratch folder, as a user that it accepts to run as.

    ``flush``: whether it waits for the disk, as a real one does; tests need not.
    """

    def __init__(self, programs: pathlib.Path, home: pathlib.Path, flush: bool = False) -> None:
        self.programs, self.home = programs, home
        # PostgreSQL refuses to run as root.
        self.user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(home, "postgres", "postgres")
        self._run("initdb", "-D", "data", "-A", "trust", "-U", "diorama", "--no-sync", "--no-instructions")
        options = f"-k {home} -h ''" + ("" if flush else " -F")
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        subprocess.run(command, cwd=self.home, check=True, stdout=subprocess.DEVNULL, timeout=60, **self.user)

    def database(self) -> str:
        """The URL of a new, empty database."""
        import psycopg

        name = f"d{uuid.uuid4().hex}"
        with psycopg.connect(f"host={self.home} user=diorama dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://diorama@/{name}?host={self.home}"

    def stop(self) -> None:
        """Stop the server at once."""
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "stop")

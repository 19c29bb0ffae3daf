"""Runs the `diorama` commands of a shell inside this process, which keeps its compiled programs from one to the next.

The program that the shell finds first on its path is a small client: it sends its words, folder, environment and three
open files, and ends with the code that comes back.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from diorama.cli.main import main

CLIENT = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(asked)
    sys.exit(server.recv(1)[0])
"""


def shell(text: str, folder: pathlib.Path, seconds: float) -> tuple[int, str]:
    """Run ``text`` in a shell whose `diorama` is this process; ``folder``, a new one, takes the client.

    Returns the shell's exit code and what it wrote. Raises `subprocess.TimeoutExpired`, not while a command runs.
    """
    folder.mkdir()
    client, address, output = folder / "diorama", str(folder / "socket"), folder / "output"
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o755)
    path = os.pathsep.join([str(folder), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    with socket.socket(socket.AF_UNIX) as listener, output.open("wb") as written:
        listener.bind(address)
        listener.listen()
        listener.settimeout(0.05)
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", text],
            stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT, env={**os.environ, "PATH": path},
        )  # fmt: skip
        end = time.monotonic() + seconds
        while process.poll() is None:
            with contextlib.suppress(TimeoutError):
                _serve(listener.accept()[0])
            if time.monotonic() > end:
                process.kill()
                raise subprocess.TimeoutExpired(text, seconds)
    return process.returncode, output.read_text()


def _serve(asking: socket.socket) -> None:
    """Answer one client."""
    with asking:
        asking.settimeout(10.0)
        head, files, _, _ = socket.recv_fds(asking, 4, 3)
        asked = b""
        while len(asked) < int.from_bytes(head, "big"):
            asked += asking.recv(65536)
        words, folder, environment = json.loads(asked)
        with _as_the_client(files, folder, environment):
            code = main(words)
        asking.sendall(bytes([code]))


@contextlib.contextmanager
def _as_the_client(files: list[int], folder: str, environment: dict[str, str]) -> Iterator[None]:
    """Have the client's folder, environment and open files for a while."""
    own_folder, own_environment = pathlib.Path.cwd(), dict(os.environ)
    own_streams, own_files = (sys.stdin, sys.stdout, sys.stderr), [os.dup(number) for number in range(3)]
    try:
        os.chdir(folder)
        _replace(environment)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        with open(0, closefd=False) as i, open(1, "w", closefd=False) as o, open(2, "w", closefd=False) as e:
            sys.stdin, sys.stdout, sys.stderr = i, o, e
            yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = own_streams
        for number, file in enumerate(own_files):
            os.dup2(file, number)
            os.close(file)
        _replace(own_environment)
        os.chdir(own_folder)


def _replace(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)

"""Work that is importable by its name, in this process and in the processes that it starts."""

import os
import pathlib
import sys

HERE = str(pathlib.Path(__file__).parent)
sys.path.append(HERE)
os.environ["PYTHONPATH"] = os.pathsep.join([*os.environ.get("PYTHONPATH", "").split(os.pathsep), HERE]).strip(
    os.pathsep
)

"""Processor time of a sub-step, with how right it is beside it: our executions and other simulators, in one run.

Run: ``sh benchmarks/rope/peers.sh`` once, which makes the environment ``.rope-peer`` with MuJoCo 4 and PyElastica, and
``python benchmarks/rope/speed.py [--quick] [--peer PYTHON]``. One thread each, double precision, the smallest of a few
repeats of processor time. What is computed is the canonical cantilever: 1 m of rod of 1 cm radius, 1e8 Pa and
1000 kg/m^3, clamped in the middle of its first edge, under its weight. Its sag at rest is 0.419200 m; the column says
how far off each is. Steps are of different length, so the column of processor time for a second of simulated time is
the one that compares: ours is three quarters of the longest stable one, MuJoCo 4 has its default. Our rows say how many
sub-steps a call has, for a call of JAX costs about a millisecond itself.
"""

import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from diorama.envs.rope import Kernel, Readable, Scheme, constant
from diorama.envs.rope.contact import Contact
from diorama.envs.rope.execution import Execution
from diorama.envs.rope.shapes import Plane
from diorama.envs.rope.surroundings import on_earth
from diorama.envs.rope.validation.beams import cantilever

SAG, VERTICES, STEP = 0.419200, 31, 8e-5
HERE = pathlib.Path(__file__).parent
PEER = HERE.parents[1] / ".rope-peer" / "bin" / "python"
COLUMNS = "| {} | {} | {} | {} | {} | {} |\n"


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Least processor time of some runs, after one that compiles."""
    run()
    best = np.inf
    for _ in range(repeats):
        begun = time.process_time()
        run()
        best = min(best, time.process_time() - begun)
    return best


def row(name: str, ropes: int, step: float, per_step: float, error: str) -> None:
    """Write one line: ``step`` and ``per_step`` in seconds, of simulated time and of the processor for all ropes."""
    each = per_step / ropes
    sys.stdout.write(COLUMNS.format(name, ropes, f"{1e3 * step:g}", f"{1e6 * each:.2f}", f"{each / step:.3f}", error))
    sys.stdout.flush()


def problem(touching: bool) -> tuple:
    """The rod, its start, what it lies in, and what holds it."""
    rod, state, held = cantilever(1.0, VERTICES - 2)
    around = on_earth(5.0, (0.0, -1.0, 0.0))
    if touching:
        rubs = Contact(*(jnp.asarray(number) for number in (1e4, 1e-3, 0.3, 0.3, 1.0)))
        floor = Plane(jnp.array([0.0, 1.0, 0.0]), jnp.asarray(-0.0105))  # felt from the first sub-step on
        around = dataclasses.replace(around, shapes=(floor,), contact=rubs, self_contact=rubs)
    return rod, state, around, held


def times(execution: Execution, ropes: int, steps: int, repeats: int, touching: bool) -> tuple[float, float]:
    """Seconds for a sub-step of all ropes: forward, and forward and backward with respect to stiffness."""
    rod, state, around, held = problem(touching)
    scheme = Scheme(jnp.asarray(STEP), inextensible=touching)
    shares = jnp.linspace(1.0, 1.1, ropes)

    def height(share: jax.Array) -> jax.Array:
        softer = dataclasses.replace(rod, bend=share * rod.bend)
        return execution.travel(softer, state, around, constant(held), scheme, steps=steps).position[-1, -1, 1]

    forward = jax.jit(jax.vmap(height))
    both = jax.jit(jax.vmap(jax.value_and_grad(height)))
    found = [seconds(lambda run=run: jax.block_until_ready(run(shares)), repeats) / steps for run in (forward, both)]
    return found[0], found[1]


def sag_error() -> str:
    """Of the kernel, at rest after five seconds with drag; the readable steps are the same numbers."""
    rod, state, around, held = problem(False)
    steps = round(5.0 / STEP)
    tip = Kernel(1).travel(rod, state, around, constant(held), Scheme(jnp.asarray(STEP)), steps=steps).position[-1, -1]
    return f"{-float(tip[1]) - SAG:+.1e}"


CABLE = """
<mujoco>
  <extension><plugin plugin="mujoco.elasticity.cable"/></extension>
  <option timestep="0.001" integrator="implicitfast" gravity="0 0 -9.81"/>
  <worldbody>
    <composite prefix="c" type="cable" curve="s" count="{vertices} 1 1" size="1" initial="none">
      <plugin plugin="mujoco.elasticity.cable">
        <config key="twist" value="3.3333e7"/><config key="bend" value="1e8"/><config key="vmax" value="0"/>
      </plugin>
      <joint kind="main" damping="0.5"/>
      <geom type="cylinder" size="0.01" density="1000" contype="0" conaffinity="0"/>
    </composite>
  </worldbody>
</mujoco>
"""


def mujoco_cable(repeats: int) -> tuple[float, str]:
    """Seconds for a step of 1 ms of MuJoCo's cable of ball joints, and the error of its sag after twenty seconds."""
    import mujoco

    model = mujoco.MjModel.from_xml_string(CABLE.format(vertices=VERTICES))
    data = mujoco.MjData(model)
    per_step = seconds(lambda: mujoco.mj_step(model, data, 1000), repeats) / 1000
    mujoco.mj_step(model, data, 16000)
    frame = data.xmat[-1].reshape(3, 3)
    tip = data.xpos[-1] + frame[:, 0] / (VERTICES - 1)
    return per_step, f"{-float(tip[2]) - SAG:+.1e}"


def kernel_rows(quick: bool, error: str) -> None:
    """Ours in machine code, without and with contact, keeping every state for the gradient or a few."""
    for touching, what in ((False, ""), (True, ", floor, itself, fixed lengths")):
        for ropes, steps in ((1, 4000), (64, 500)) if quick else ((1, 4000), (64, 500), (1024, 100)):
            for every, keeping in ((1, "all states kept"), (0, "few states kept")):
                forward, both = times(Kernel(1, every=every), ropes, steps, 3, touching)
                wrong, ratio = "" if touching else error, both / forward
                if every:
                    row(f"kernel, {steps} a call{what}", ropes, STEP, forward, wrong)
                row(f"with its gradient, {keeping}{what}: {ratio:.1f} times", ropes, STEP, both, wrong)


def readable_rows(error: str) -> None:
    """Ours in JAX, as it is written."""
    for ropes in (1, 64):
        forward, both = times(Readable(), ropes, 100, 3, False)
        row("readable steps, 100 a call", ropes, STEP, forward, error)
        row(f"with their gradient: {both / forward:.1f} times", ropes, STEP, both, error)


def peer_rows(peer: pathlib.Path) -> None:
    """What runs in the environment of its own."""
    if not peer.exists():
        sys.stdout.write(f"| MuJoCo 4 and PyElastica: no {peer}; see peers.sh | | | | | |\n")
        return
    found = subprocess.run([peer, HERE / "peers.py"], capture_output=True, text=True, check=True)
    for line in found.stdout.splitlines():
        made = json.loads(line)
        row(made["name"], 1, made["step"], made["seconds"], f"{made['sag'] - SAG:+.1e}")


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer ropes and no readable steps")
    parser.add_argument("--peer", type=pathlib.Path, default=PEER, help="Python with MuJoCo 4 and PyElastica")
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    names = ("31 vertices", "ropes", "step [ms]", "us a step and rope", "CPU s for 1 s", "sag error [m]")
    sys.stdout.write(COLUMNS.format(*names) + "|---" * len(names) + "|\n")
    error = sag_error()
    kernel_rows(given.quick, error)
    if not given.quick:
        readable_rows(error)
    row("MuJoCo 3 cable", 1, 1e-3, *mujoco_cable(3))
    peer_rows(given.peer)


if __name__ == "__main__":
    main()

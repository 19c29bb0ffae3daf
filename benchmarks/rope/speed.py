"""Processor time of a sub-step, with how right it is beside it: our executions and MuJoCo's cable, in one run.

Run: ``python benchmarks/rope/speed.py [--quick]``. One thread each, double precision, the smallest of a few repeats of
processor time. What is computed is the canonical cantilever: 1 m of rod of 1 cm radius, 1e8 Pa and 1000 kg/m^3, clamped
in the middle of its first edge, under its weight. Its sag at rest is 0.419200 m; the column says how far off each is.
"""

import argparse
import dataclasses
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

SAG, VERTICES, STEP = 0.419200, 31, 5e-5
COLUMNS = "{:52} {:>6} {:>12} {:>14}\n"


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Least processor time of some runs, after one that compiles."""
    run()
    best = np.inf
    for _ in range(repeats):
        begun = time.process_time()
        run()
        best = min(best, time.process_time() - begun)
    return best


def row(name: str, ropes: int, per_step: float, error: str) -> None:
    """Write one line."""
    sys.stdout.write(COLUMNS.format(name, ropes, f"{1e6 * per_step / ropes:.2f}", error))
    sys.stdout.flush()


def problem(touching: bool) -> tuple:
    """The rod, its start, what it lies in, and what holds it."""
    rod, state, held = cantilever(1.0, VERTICES - 2)
    around = on_earth(5.0, (0.0, -1.0, 0.0))
    if touching:
        rubs = Contact(*(jnp.asarray(number) for number in (1e4, 1e-3, 0.3, 0.3, 1.0)))
        floor = Plane(jnp.array([0.0, 1.0, 0.0]), jnp.asarray(-0.02))
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
        <config key="twist" value="5e7"/><config key="bend" value="1e8"/><config key="vmax" value="0"/>
      </plugin>
      <joint kind="main" damping="0.02"/>
      <geom type="cylinder" size="0.01" density="1000" contype="0" conaffinity="0"/>
    </composite>
  </worldbody>
</mujoco>
"""


def mujoco_cable(repeats: int) -> tuple[float, str]:
    """Seconds for a step of 1 ms of MuJoCo's cable of ball joints, and the error of its sag after five seconds."""
    import mujoco

    model = mujoco.MjModel.from_xml_string(CABLE.format(vertices=VERTICES))
    data = mujoco.MjData(model)
    per_step = seconds(lambda: mujoco.mj_step(model, data, 1000), repeats) / 1000
    mujoco.mj_step(model, data, 4000)
    frame = data.xmat[-1].reshape(3, 3)
    tip = data.xpos[-1] + frame[:, 0] / (VERTICES - 1)
    return per_step, f"{-float(tip[2]) - SAG:+.1e}"


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer ropes and no readable steps")
    quick = parser.parse_args().quick
    jax.config.update("jax_enable_x64", True)
    sys.stdout.write(COLUMNS.format(f"{VERTICES} vertices", "ropes", "us/step/rope", "sag error [m]"))
    error = sag_error()
    for touching, what in ((False, ""), (True, ", floor, itself, fixed lengths")):
        for ropes in (1, 64) if quick else (1, 64, 1024):
            forward, both = times(Kernel(1, every=1), ropes, 500 if ropes < 1000 else 100, 3, touching)
            row(f"kernel, forward{what}", ropes, forward, "" if touching else error)
            row(f"kernel, forward and backward{what} ({both / forward:.1f} x)", ropes, both, "" if touching else error)
    if not quick:
        for ropes in (1, 64):
            forward, both = times(Readable(), ropes, 100, 3, False)
            row("readable steps, forward", ropes, forward, error)
            row(f"readable steps, forward and backward ({both / forward:.1f} x)", ropes, both, error)
    row("MuJoCo 3 cable, steps of 1 ms", 1, *mujoco_cable(3))


if __name__ == "__main__":
    main()

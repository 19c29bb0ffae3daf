"""The canonical cantilever in other simulators: processor time of a step, and the error of the sag at rest.

Run by `speed.py --peer PYTHON` in an environment of its own, made by ``peers.sh``: it needs MuJoCo 4 and PyElastica,
and nothing of Diorama. Writes one line of JSON for each simulator: name, step [s], seconds of CPU for a step, sag [m].
"""

import json
import os
import sys
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

EDGES = 30
EDGE = 1.0 / (EDGES - 0.5)
"""As ours: clamped in the middle of the first edge, 1 m sticks out."""
RADIUS, YOUNG, DENSITY, GRAVITY = 0.01, 1e8, 1000.0, 9.81
REST_S = 20.0
MASS = DENSITY * 3.141592653589793 * RADIUS**2 * EDGE * EDGES

ROD = """
<mujoco>
  <option timestep="{step}" integrator="discrete" solver="Newton" gravity="0 0 -9.81"/>
  <worldbody>
    <body name="clamp">
      <flexcomp name="rod" type="grid" dim="1" count="{count} 1 1" spacing="{edge} {edge} {edge}" pos="{middle} 0 0"
                mass="{mass}" radius="{radius}">
        <elasticity young="{young}" poisson="0.49" damping="{damping}"/>
        <edge equality="true" solref="{softness} 1" solimp=".999 .9999 .001"/>
        <contact selfcollide="none" contype="0" conaffinity="0"/>
        <pin id="0 1"/>
      </flexcomp>
    </body>
  </worldbody>
</mujoco>
"""


def least(run: Callable[[], object], repeats: int) -> float:
    """Least processor time of some runs, after one that compiles."""
    run()
    spent = []
    for _ in range(repeats):
        begun = time.process_time()
        run()
        spent.append(time.process_time() - begun)
    return min(spent)


def mujoco_rod(step: float = 2e-3, steps: int = 1000) -> dict:
    """MuJoCo 4: a flex of one dimension, a discrete elastic rod that is implicit in its positions."""
    import mujoco
    import numpy as np

    text = ROD.format(
        step=step,
        count=EDGES + 1,
        edge=EDGE,
        middle=0.5 * EDGE * (EDGES - 1),
        mass=MASS,
        radius=RADIUS,
        young=YOUNG,
        damping=0.05,
        softness=2.5 * step,
    )
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    spent = least(lambda: mujoco.mj_step(model, data, steps), 3) / steps
    mujoco.mj_step(model, data, max(round(REST_S / step) - 4 * steps, 1))
    places = data.flexvert_xpos.reshape(-1, 3)
    length = float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum()) / (EDGE * EDGES) - 1.0
    return {
        "name": f"MuJoCo {mujoco.__version__}, rod, Newton",
        "step": step,
        "seconds": spent,
        "sag": -float(places[-1, 2]),
        "longer_by": length,
    }


def elastica_rod(step: float = 2.6e-5, steps: int = 1000) -> dict:
    """PyElastica: a Cosserat rod with shear, position Verlet; clamped at a vertex, 1 m sticks out."""
    import elastica as ea
    import numpy as np

    class System(ea.BaseSystemCollection, ea.Constraints, ea.Forcing, ea.Damping):
        pass

    system = System()
    rod = ea.CosseratRod.straight_rod(
        EDGES,
        np.zeros(3),
        np.array([1.0, 0.0, 0.0]),
        np.array([0.0, 1.0, 0.0]),
        1.0,
        RADIUS,
        DENSITY,
        youngs_modulus=YOUNG,
        shear_modulus=YOUNG / 3.0,
    )
    system.append(rod)
    system.constrain(rod).using(ea.OneEndFixedBC, constrained_position_idx=(0,), constrained_director_idx=(0,))
    system.add_forcing_to(rod).using(ea.GravityForces, acc_gravity=np.array([0.0, 0.0, -GRAVITY]))
    system.dampen(rod).using(
        ea.AnalyticalLinearDamper,
        translational_damping_constant=5.0 * float(rod.mass[1]),
        rotational_damping_constant=0.0,
        time_step=step,
    )
    system.finalize()
    stepper, now = ea.PositionVerlet(), np.float64(0.0)

    def forward(count: int) -> None:
        nonlocal now
        for _ in range(count):
            now = stepper.step(system, now, np.float64(step))

    spent = least(lambda: forward(steps), 3) / steps
    forward(max(round(5.0 / step) - 4 * steps, 1))
    return {
        "name": f"PyElastica {ea.__version__ if hasattr(ea, '__version__') else ''}, Cosserat".replace(" ,", ","),
        "step": step,
        "seconds": spent,
        "sag": -float(rod.position_collection[2, -1]),
    }


def main() -> None:
    """One line for each simulator."""
    for made in (mujoco_rod, elastica_rod):
        sys.stdout.write(json.dumps(made()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

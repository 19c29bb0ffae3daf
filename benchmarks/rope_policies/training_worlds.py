"""A rope task as learners see it: it ends when its time is up, and has derivatives that point somewhere."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import Env, EnvSpec, Module, field
from diorama.core.env import Observation, Scenario
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.tasks import RopeTask
from diorama.envs.rope.tasks.world import TaskState
from diorama.imagine.gradient import kept, swap


class Timed(Env):
    """A task that ends after its last decision, so that nothing lies beyond for a critic to guess."""

    spec: EnvSpec = field(static=True)
    task: RopeTask

    def __init__(self, task: RopeTask) -> None:
        self.spec, self.task = task.spec, task

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> TaskState:
        """As the task does."""
        return self.task.reset(scenario, key)

    def step(self, state: TaskState, action: Float[Array, " A"], key: PRNGKeyArray) -> TaskState:
        """As the task does."""
        return self.task.step(state, action, key)

    def observe(self, state: TaskState) -> Observation:
        """As the task does."""
        return self.task.observe(state)

    def reward(self, state: TaskState, action: Float[Array, " A"], next_state: TaskState) -> Float[Array, ""]:
        """As the task does."""
        return self.task.reward(state, action, next_state)

    def terminal(self, state: TaskState) -> Bool[Array, ""]:
        """Whether the rope tore or the time is up."""
        return self.task.terminal(state) | (state.clock >= self.task.task.config.decisions)


class Pair(Module):
    """The task as it is, and the same start under the same actions in a gentler world."""

    real: TaskState
    gentle: TaskState


class Twin(Env):
    """Values from the task as it is; derivatives from a gentler world beside it. To be differentiated `Through`.

    There contacts set in ``softer`` times as far away, and motion decays ``drag`` times as fast. Both begin alike and
    take the same actions, each from where it is itself: from a state of the task, in which surfaces are nearer than
    they can be in the gentler world, that one would begin every decision with a jump.
    """

    spec: EnvSpec = field(static=True)
    world: Timed
    softer: float = field(static=True, default=4.0)
    drag: float = field(static=True, default=5.0)

    def __init__(self, task: RopeTask, softer: float = 4.0, drag: float = 5.0) -> None:
        self.spec, self.world, self.softer, self.drag = task.spec, Timed(task), softer, drag

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> Pair:
        """Twice the same start."""
        real = self.world.reset(scenario, key)
        around = gentler(real.scene.around, self.softer, self.drag)
        return Pair(real, dataclasses.replace(real, scene=dataclasses.replace(real.scene, around=around)))

    def step(self, state: Pair, action: Float[Array, " A"], key: PRNGKeyArray) -> Pair:
        """Both worlds one control period later."""
        real = self.world.step(*jax.lax.stop_gradient((state.real, action)), key)
        return Pair(kept(jax.lax.stop_gradient(real)), self.world.step(state.gentle, action, key))

    def observe(self, state: Pair) -> Observation:
        """What the task shows."""
        return swap(self.world.observe(state.real), self.world.observe(state.gentle))

    def reward(self, state: Pair, action: Float[Array, " A"], next_state: Pair) -> Float[Array, ""]:
        """What the task gives."""
        real = self.world.reward(state.real, action, next_state.real)
        return swap(real, self.world.reward(state.gentle, action, next_state.gentle))

    def terminal(self, state: Pair) -> Bool[Array, ""]:
        """Whether the task has ended."""
        return self.world.terminal(state.real)


def gentler(around: Surroundings, softer: float, drag: float) -> Surroundings:
    """Surroundings whose contacts set in so many times as far away, in which motion decays so many times as fast."""
    touching = {
        name: None if contact is None else dataclasses.replace(contact, smoothing=softer * contact.smoothing)
        for name, contact in (("contact", around.contact), ("self_contact", around.self_contact))
    }
    return dataclasses.replace(around, drag=jnp.asarray(drag) * around.drag, **touching)

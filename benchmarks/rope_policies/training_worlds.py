"""A rope task as learners see it: it ends when its time is up, and has derivatives that point somewhere."""

import dataclasses
from collections.abc import Callable

import jax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import Env, EnvSpec, Module, field
from diorama.core.env import Observation, Scenario, State
from diorama.envs.rope.tasks import RopeTask
from diorama.envs.rope.tasks.world import TaskState
from diorama.imagine.gradient import kept, swap


class Timed(Env):
    """A task that ends after its last decision, so that nothing lies beyond for a critic to guess.

    ``shown`` are the names of the observations that are left.
    """

    spec: EnvSpec = field(static=True)
    task: RopeTask

    def __init__(self, task: RopeTask, shown: tuple[str, ...]) -> None:
        observation = {name: task.spec.observation[name] for name in shown}
        self.spec, self.task = dataclasses.replace(task.spec, observation=observation), task

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> TaskState:
        """As the task does."""
        return self.task.reset(scenario, key)

    def step(self, state: TaskState, action: Float[Array, " A"], key: PRNGKeyArray) -> TaskState:
        """As the task does."""
        return self.task.step(state, action, key)

    def observe(self, state: TaskState) -> Observation:
        """What is shown of what the task shows."""
        seen = self.task.observe(state)
        return {name: seen[name] for name in self.spec.observation}

    def reward(self, state: TaskState, action: Float[Array, " A"], next_state: TaskState) -> Float[Array, ""]:
        """As the task does."""
        return self.task.reward(state, action, next_state)

    def terminal(self, state: TaskState) -> Bool[Array, ""]:
        """Whether the rope tore or the time is up."""
        return self.task.terminal(state) | (state.clock >= self.task.task.config.decisions)


class Gentle(Module):
    """Makes a world gentle: contacts set in ``softer`` times as far away, motion decays ``drag`` times as fast."""

    softer: float = field(static=True, default=4.0)
    drag: float = field(static=True, default=5.0)

    def __call__(self, state: TaskState) -> TaskState:
        """The same state in the gentler world."""
        around = state.scene.around
        softer = {
            name: None if contact is None else dataclasses.replace(contact, smoothing=self.softer * contact.smoothing)
            for name, contact in (("contact", around.contact), ("self_contact", around.self_contact))
        }
        around = dataclasses.replace(around, drag=self.drag * around.drag, **softer)
        return dataclasses.replace(state, scene=dataclasses.replace(state.scene, around=around))


class Pair(Module):
    """Where the world is, and where the same start under the same actions is in the gentler one."""

    real: State
    gentle: State


class Twin(Env):
    """Values from a world; derivatives from a gentler one beside it. To be differentiated `Through`.

    ``gentled`` gives the same state in the gentler world, which knows by its state how gentle it is. Both begin alike
    and take the same actions, each from where it is itself: from a state of the world, in which surfaces are nearer
    than they can be in the gentler one, that one would begin every decision with a jump.
    """

    spec: EnvSpec = field(static=True)
    world: Env
    gentled: Callable[[State], State]

    def __init__(self, world: Env, gentled: Callable[[State], State]) -> None:
        self.spec, self.world, self.gentled = world.spec, world, gentled

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> Pair:
        """Twice the same start."""
        real = self.world.reset(scenario, key)
        return Pair(real, self.gentled(real))

    def step(self, state: Pair, action: Float[Array, " A"], key: PRNGKeyArray) -> Pair:
        """Both one control period later."""
        real = self.world.step(*jax.lax.stop_gradient((state.real, action)), key)
        return Pair(kept(jax.lax.stop_gradient(real)), self.world.step(state.gentle, action, key))

    def observe(self, state: Pair) -> Observation:
        """What the world shows."""
        return swap(self.world.observe(state.real), self.world.observe(state.gentle))

    def reward(self, state: Pair, action: Float[Array, " A"], next_state: Pair) -> Float[Array, ""]:
        """What the world gives."""
        real = self.world.reward(state.real, action, next_state.real)
        return swap(real, self.world.reward(state.gentle, action, next_state.gentle))

    def terminal(self, state: Pair) -> Bool[Array, ""]:
        """Whether the world has ended."""
        return self.world.terminal(state.real)

"""Our planners in a latent world with TD-MPC2's layers. See `serving.py` for how it is driven."""

import dataclasses
import sys

from serving import serve, take_cores

take_cores()

import jax  # noqa: E402 (the cores come first)
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from settings import ACTION, HEADS, LATENT, SETTINGS, SIMPLEX, Setting, known_plans  # noqa: E402

from diorama.core import ArraySpec, Env, EnvSpec, Module, field, filter_jit  # noqa: E402
from diorama.policies.config import DescentConfig, IcemConfig, PlannerConfig  # noqa: E402
from diorama.policies.planners import Planner, cem, gradient_planner, icem, mppi  # noqa: E402
from diorama.policies.planning_problem import Problem  # noqa: E402

SPEC = EnvSpec("latent", {"z": ArraySpec((LATENT,))}, ArraySpec((ACTION,), "1", -1.0, 1.0), 0.1)
TICKS = [0]


def tick(actions: np.ndarray) -> np.ndarray:
    """Counts the steps of the network, one for each action ``[..., A]``, and gives the actions back."""
    TICKS[0] += actions.size // ACTION
    return actions


def normalised(x: jax.Array) -> jax.Array:
    """Layer normalisation; its scale is 1 and its shift 0 on both sides."""
    centred = x - jnp.mean(x)
    return centred * jax.lax.rsqrt(jnp.mean(centred**2) + 1e-5)


def mish(x: jax.Array) -> jax.Array:
    """``x tanh(softplus(x))`` with one exponential: tanh(log(1 + e)) is (e^2 + 2e) / (e^2 + 2e + 2)."""
    e = jnp.exp(jnp.minimum(x, 20.0))
    return x * (1 - 2 / (e * (e + 2) + 2))


class Network(Module):
    """Two hidden layers with layer normalisation and Mish, then a linear one: ``[in]`` to ``[out]``."""

    layers: tuple[tuple[jax.Array, jax.Array], ...]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map one vector."""
        for weight, bias in self.layers[:-1]:
            x = mish(normalised(weight @ x + bias))
        weight, bias = self.layers[-1]
        return weight @ x + bias


class Latent(Env):
    """The world: its state is the latent, its reward and its value are heads."""

    spec: EnvSpec = field(static=True)
    dynamics: Network
    heads: dict[str, Network]
    counted: bool = field(static=True)

    def reset(self, scenario: dict, key: jax.Array) -> jax.Array:
        """Not asked for."""
        raise NotImplementedError

    def step(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        """The next latent, in groups that sum to 1 (SimNorm)."""
        if self.counted:
            action = jax.pure_callback(tick, action, action, vmap_method="broadcast_all")
        raw = normalised(self.dynamics(jnp.concatenate([state, action])))
        return jax.nn.softmax(raw.reshape(-1, SIMPLEX), axis=-1).reshape(-1)

    def observe(self, state: jax.Array) -> dict[str, jax.Array]:
        """The latent."""
        return {"z": state}

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        """The reward head."""
        return self.heads["reward"](jnp.concatenate([state, action]))[0]

    def terminal(self, state: jax.Array) -> jax.Array:
        """Never."""
        return jnp.zeros((), bool)


class Value(Module):
    """The value head as a function of an observation."""

    head: Network

    def __call__(self, observation: dict[str, jax.Array]) -> jax.Array:
        """The value of a latent."""
        return self.head(observation["z"])[0]


def make_planner(setting: Setting, world: Latent) -> Planner:
    """The planner of a row."""
    config = PlannerConfig(setting.horizon, setting.samples, setting.rounds, setting.elites, noise=1.0, temperature=0.5)
    more = {"value": Value(world.heads["value"])}
    if setting.planner == "icem":
        return icem(world, config, begin, how=IcemConfig(decay=1.0), **more)
    if setting.planner == "gradient":
        how = DescentConfig(restarts=setting.samples, steps=setting.rounds)
        return gradient_planner(world, dataclasses.replace(config, elites=1), begin, how=how, **more)
    return {"cem": cem, "mppi": mppi}[setting.planner](world, config, begin, **more)


def begin(observation: dict[str, jax.Array], key: jax.Array) -> jax.Array:
    """The latent is the state."""
    return observation["z"]


@filter_jit
def act(planner: Planner, memory: jax.Array, z: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One decision in many worlds."""
    return jax.vmap(lambda m, z, k: planner.act(m, {"z": z}, k))(memory, z, jax.random.split(key, len(z)))


@filter_jit
def act_alone(planner: Planner, memory: jax.Array, z: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One decision in one world."""
    return planner.act(memory, {"z": z}, key)


class Ours:
    """A planner with the memory of the decision before, as in an episode."""

    def __init__(self, setting: Setting, arrays: dict[str, np.ndarray]) -> None:
        networks = {head: _network(arrays, head) for head in HEADS}
        heads = {name: networks[name] for name in ("reward", "value")}
        self.setting, self.start = setting, jnp.asarray(arrays["start"])
        self.world = Latent(SPEC, networks["dynamics"], heads, False)
        self.planner, self.key = make_planner(setting, self.world), jax.random.key(0)
        self.act, self.memory = act_alone, self.planner.init(SPEC)
        if setting.worlds > 1:
            many = setting.worlds
            self.act, self.start = act, jnp.tile(self.start, (many, 1))
            self.memory = jax.tree.map(lambda a: jnp.broadcast_to(a, (many, *a.shape)), self.memory)

    def plan(self) -> None:
        """Plan once, to the end."""
        self.key, key = jax.random.split(self.key)
        action, self.memory = self.act(self.planner, self.memory, self.start, key)
        np.asarray(action)

    def scores(self) -> list[float]:
        """The imagined returns of the known plans."""
        plans = jnp.asarray(known_plans(self.setting))
        start = self.start if self.setting.worlds == 1 else self.start[0]
        problem = Problem(self.world, self.planner.config, self.planner.value, start, plans[:0])
        return np.asarray(filter_jit(problem.scores)(plans, self.key)).tolist()

    def steps(self) -> int:
        """How many steps of the network one plan of two rounds imagines; 0 by derivatives, where nothing can count."""
        if self.setting.planner == "gradient":
            return 0
        counted = Latent(SPEC, self.world.dynamics, self.world.heads, True)
        planner = make_planner(dataclasses.replace(self.setting, rounds=2), counted)
        TICKS[0] = 0
        jax.block_until_ready(self.act(planner, self.memory, self.start, self.key))
        return TICKS[0]


def _network(arrays: dict[str, np.ndarray], head: str) -> Network:
    names = [(f"{head}.{layer}.weight", f"{head}.{layer}.bias") for layer in range(3)]
    return Network(tuple((jnp.asarray(arrays[w]), jnp.asarray(arrays[b])) for w, b in names))


if __name__ == "__main__":
    loaded = dict(np.load(sys.argv[1]))
    serve(lambda name, setting: Ours(SETTINGS[setting], loaded))

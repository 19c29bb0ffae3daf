"""danijar/dreamerv3's world model: its encoder, RSSM, decoder, heads and optimiser class. Runs in ``.peer``.

The folder with its source is the first argument. Its loss is put together here from its own parts, as in the world
model part of its ``Agent.loss``. float32, as everywhere (its default, bfloat16, is slower on a CPU).
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from turns import Job, serve
from work import ACTION, BATCH, CLIP, HORIZON, RATE, REPRESENTATION, SIDE, STATE, TIME, data, widths

sys.path.insert(0, sys.argv[1])
import elements  # noqa: E402
import embodied.jax  # noqa: E402
import embodied.jax.nets as nets  # noqa: E402
import ninjax as nj  # noqa: E402
from dreamerv3 import rssm  # noqa: E402

nets.COMPUTE_DTYPE = jnp.float32
STRIDED = "strided" in sys.argv[2:]
LAYER = {"act": "silu", "norm": "rms", "winit": "trunc_normal_in"}


class WorldModel:
    """Its parts, with the settings of its ``configs.yaml``, and the loss that its agent makes of them."""

    def __init__(self, asked: dict[str, Any]) -> None:
        size = widths(asked)
        picture = elements.Space(np.uint8, (SIDE, SIDE, 3))
        seen = {"image": picture} if asked["camera"] else {"vector": elements.Space(np.float32, (STATE,))}
        action = {"action": elements.Space(np.float32, (ACTION,), -1, 1)}
        network = {**LAYER, "units": size.units}
        eye = {**network, "depth": size.depth, "strided": STRIDED}
        core = {"deter": size.state, "hidden": size.hidden, "classes": size.classes, "stoch": 32, "blocks": 8}
        scalar = elements.Space(np.float32, ())
        self.enc = rssm.Encoder(seen, **eye, name="enc")
        self.dec = rssm.Decoder(seen, **eye, name="dec")
        self.dyn = rssm.RSSM(action, **core, **LAYER, name="dyn")
        head = {**network, "layers": 1}
        self.rew = embodied.jax.MLPHead(scalar, "symexp_twohot", **head, outscale=0.0, name="rew")
        end = elements.Space(bool, (), 0, 2)
        self.con = embodied.jax.MLPHead(end, "binary", **head, name="con")
        actor = {**network, "layers": 3, "minstd": 0.1, "maxstd": 1.0, "outscale": 0.01}
        self.pol = embodied.jax.MLPHead(action, {"action": "bounded_normal"}, **actor, name="pol")
        self.modules = [self.dyn, self.enc, self.dec, self.rew, self.con]
        chain = optax.chain(optax.clip_by_global_norm(CLIP), optax.adamw(RATE, weight_decay=1e-4))
        self.opt = embodied.jax.Optimizer(self.modules, chain, name="opt")

    def loss(self, batch: dict[str, jax.Array]) -> jax.Array:
        """The loss of its world model."""
        reset, action = batch["is_first"], {"action": batch["action"]}
        seen = {name: batch[name] for name in ("vector", "image") if name in batch}
        _, _, tokens = self.enc({}, seen, reset, True)
        _, _, losses, features, _ = self.dyn.loss(self.dyn.initial(BATCH), tokens, action, reset, True)
        _, _, shown = self.dec({}, features, reset, True)
        flat = tensor(features)
        losses["rew"] = self.rew(flat, 2).loss(batch["reward"])
        losses["con"] = self.con(flat, 2).loss(batch["cont"])
        for name, value in seen.items():
            losses[name] = shown[name].loss(value.astype(jnp.float32) / 255 if name == "image" else value)
        scales = {"rep": REPRESENTATION}
        return sum(scales.get(name, 1.0) * value.mean() for name, value in losses.items())

    def update(self, batch: dict[str, jax.Array]) -> jax.Array:
        """One update; the loss."""
        return self.opt(self.loss, batch)["opt/loss"]

    def imagine(self, carry: dict[str, jax.Array]) -> tuple[jax.Array, ...]:
        """Its agent's imagination with the reward and the continuation of each imagined state."""

        def act(state: dict[str, jax.Array]) -> dict[str, jax.Array]:
            outputs = self.pol(tensor(state), 1)
            return {name: output.sample(nj.seed()) for name, output in outputs.items()}

        _, features, _ = self.dyn.imagine(carry, act, HORIZON, False)
        flat = tensor(features)
        return flat, self.rew(flat, 2).pred(), self.con(flat, 2).prob(1)


def tensor(state: dict[str, jax.Array]) -> jax.Array:
    """Recurrent state and variables side by side, as its heads see them."""
    stoch = state["stoch"].reshape(*state["stoch"].shape[:-2], -1)
    return jnp.concatenate([state["deter"], stoch], -1)


def update(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """One update of the world model: loss, gradient, clipping, AdamW."""
    model, batch = WorldModel(asked), jax.tree.map(jnp.asarray, data(asked["camera"]))
    batch["is_first"] = jnp.zeros((BATCH, TIME), bool).at[:, 0].set(True)
    batch["cont"] = jnp.ones((BATCH, TIME))
    held = [nj.init(model.update)({}, batch, seed=0)]
    run = jax.jit(nj.pure(model.update), donate_argnums=0)
    seeds = iter(range(1, 10**9))

    def job() -> None:
        held[0], loss = run(held[0], batch, seed=next(seeds))
        jax.block_until_ready((held[0], loss))

    parts = ("dyn/", "enc/", "dec/", "rew/", "con/")
    return job, {"parameters": sum(leaf.size for name, leaf in held[0].items() if name.startswith(parts))}


def imagine(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """Imagination from every state of a batch."""
    model = WorldModel(asked)
    carry = nj.pure(lambda: model.dyn.initial(BATCH * TIME))({})[1]
    held = nj.init(model.imagine)({}, carry, seed=0)
    run = jax.jit(nj.pure(model.imagine))

    def job() -> None:
        jax.block_until_ready(run(held, carry, seed=0)[1])

    return job, {"parameters": 0}


if __name__ == "__main__":
    serve(lambda asked: {"update": update, "imagine": imagine}[asked["job"]](asked))

#!/bin/sh
# Adds to .peer (made by benchmarks/loaders/make_peer.sh) what the RSSM and first-order peers import.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
"$root/.peer/bin/pip" install tensordict==0.15.3 omegaconf==2.3.1 hydra-core==1.3.8 \
  jax==0.10.2 ninjax==3.6.3 elements==3.22.4 optax==0.2.8 chex==0.1.92 einops portal granular scope

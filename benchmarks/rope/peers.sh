#!/bin/sh
# Makes .rope-peer, an environment of its own: MuJoCo 4 cannot stand beside the MuJoCo 3 of this project.
set -eu
python3 -m venv .rope-peer
.rope-peer/bin/python -m pip install --quiet mujoco==4.0.0 pyelastica==1.0.0

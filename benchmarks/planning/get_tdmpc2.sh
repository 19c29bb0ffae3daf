#!/bin/sh
# Makes .peer/tdmpc2: the checkout of TD-MPC2 whose planner run.py times. Only its source is used, nothing is installed.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
git clone --quiet https://github.com/nicklashansen/tdmpc2 "$root/.peer/tdmpc2"
git -C "$root/.peer/tdmpc2" checkout --quiet e9f59321933cbc8e11a002b842adc7d4ffae8ff1

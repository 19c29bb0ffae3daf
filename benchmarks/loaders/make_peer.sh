#!/bin/sh
# Makes .peer/ at the root of the repository: the virtual environment in which the other loaders run.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
python3.11 -m venv "$root/.peer"
pip="$root/.peer/bin/pip"
# torch first and by itself pinned, so that nothing below replaces it.
"$pip" install torch==2.13.0 "numpy<2.3" gymnasium einops pillow tqdm typer rich hydra-core tabulate pymunk pygame shapely \
  opencv-python-headless lancedb pylance pyarrow h5py hdf5plugin minigrid "av<16" pandas "huggingface-hub<0.36" \
  "datasets<5" packaging jsonlines safetensors draccus termcolor deepdiff accelerate loguru imageio
"$pip" install --no-deps lerobot==0.4.4 stable-worldmodel==0.1.1 torchcodec==0.13.0
# TorchCodec (LeRobot's default and fastest video decoder) looks for FFmpeg under its plain names; PyAV's wheel brings one.
site="$root/.peer/lib/python3.11/site-packages"
mkdir -p "$root/.peer/ffmpeg"
for name in avcodec avutil avformat avdevice avfilter swscale swresample; do
  file=$(ls "$site"/av.libs/lib$name-*.so.*)
  major=$(basename "$file" | sed -E 's/.*\.so\.([0-9]+).*/\1/')
  ln -sf "$file" "$root/.peer/ffmpeg/lib$name.so.$major"
done

"""Stand-in for torchvision, which has no wheel for PyTorch on a CPU of this version. Benchmarks only; written by us.

It holds the names that LeRobot 0.4.4 and stable-worldmodel 0.1.1 import. Only two of them do work, and both do it at
the speed of what they stand for: ``transforms.ToTensor`` (PyTorch operations, as in torchvision) and
``io.decode_jpeg`` (OpenCV's libjpeg-turbo, the library that torchvision's decoder uses).
"""

from . import io, transforms, tv_tensors

__version__ = "0.0.0+stand-in"
__all__ = ["io", "transforms", "tv_tensors"]

"""``ToTensor`` as in torchvision: PIL image to float32 ``[C, H, W]`` in [0, 1]."""

import numpy as np
import torch

from . import v2


class ToTensor:
    """Callable like torchvision's class of the same name."""

    def __call__(self, image: object) -> torch.Tensor:
        """PIL image to tensor."""
        array = np.array(image, np.uint8, copy=True)
        return (
            torch.from_numpy(array.reshape(*array.shape[:2], -1)).permute(2, 0, 1).contiguous().to(torch.float32) / 255
        )


__all__ = ["ToTensor", "v2"]

"""``decode_jpeg`` on OpenCV: same library underneath (libjpeg-turbo), same result type as torchvision's."""

import enum

import cv2
import torch


class ImageReadMode(enum.Enum):
    """The one mode that stable-worldmodel asks for."""

    RGB = "RGB"


def decode_jpeg(blobs: list[torch.Tensor], mode: ImageReadMode) -> list[torch.Tensor]:
    """Encoded bytes (uint8 ``[N]``) to images (uint8 ``[3, H, W]``)."""
    if mode is not ImageReadMode.RGB:
        raise ValueError(f"The stand-in decodes RGB only, not {mode}.")
    images = (cv2.imdecode(blob.numpy(), cv2.IMREAD_COLOR_RGB) for blob in blobs)
    return [torch.from_numpy(image).permute(2, 0, 1) for image in images]

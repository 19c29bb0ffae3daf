"""Names that stable-worldmodel imports and the loaders do not call."""

from torch import Tensor as Image

__all__ = ["Image"]

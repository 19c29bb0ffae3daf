"""Names that the peers import at module level and the loaders do not call."""

from torch.nn import Module as Transform

functional = None
__all__ = ["Transform", "functional"]

"""Errors that name the cause and the mend. JAX-free."""


class DioramaError(Exception):
    """Base of every error that Diorama raises on purpose; the command line prints it as one sentence."""


class SpecError(DioramaError):
    """An array, an action or a scenario does not fit its spec."""


class ConfigError(DioramaError):
    """A configuration has an unknown key, a wrong type or an impossible value."""


class DataError(DioramaError):
    """A dataset or a file is truncated, inconsistent or hostile."""


class ConformanceError(DioramaError):
    """An environment, model, policy or dataset breaks its contract; the message names the fault and the mend."""

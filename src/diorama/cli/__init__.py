"""The command line: ``diorama <verb>``."""

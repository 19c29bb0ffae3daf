"""Diorama: learn worlds from real interaction, train policies in them, and test those policies honestly.

The packages import downwards only (see ``docs/house.md``). Importing ``diorama`` loads nothing heavy.
"""

__version__ = "0.1.0"

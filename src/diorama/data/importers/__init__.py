"""Importers: foreign recordings to datasets of ours. Their readers are the extra ``import``, loaded when needed."""

from diorama.data.importers.importer import FORMATS, import_dataset

__all__ = ["FORMATS", "import_dataset"]

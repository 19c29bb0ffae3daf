"""Errors of the studio in sentences."""

from diorama.core.errors import DataError

_SENTENCES = {
    404: "There is no such page or version here; look for it from the start page.",
    405: "This address does not take that method.",
}


class MissingError(DataError):
    """What was asked for is not here: the answer is 404."""


def sentence_of(status: int, detail: str) -> str:
    """The words for a status without words of its own."""
    plain = detail in ("", "Not Found", "Method Not Allowed")
    return _SENTENCES.get(status, detail) if plain else detail

"""What every part of the API takes and gives: digests, pages, JSON."""

from typing import Annotated, Any, Generic, TypeVar

from fastapi import Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from diorama.core.canonical import to_json
from diorama.studio.web.answers.versions import MOST, Listing

T = TypeVar("T")
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="A SHA-256: 64 small hexadecimal digits.")]
"""An id in a path; nothing else reaches a route."""
PageNumber = Annotated[int, Query(ge=1, le=1_000_000, description="Which page, from 1.")]
PageSize = Annotated[int, Query(ge=1, le=MOST, description="Rows of a page.")]
Word = Annotated[str, Query(max_length=200, description="Part of a family's name, or the beginning of an id.")]


class Error(BaseModel):
    """What every refusal says."""

    error: str = Field(description="One sentence: the cause and the mend.")


class Paged(BaseModel, Generic[T]):
    """One page of a list of ``total``; ``page`` counts from 1."""

    items: list[T]
    total: int
    page: int
    pages: int
    size: int


ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"description": words, "model": Error}
    for code, words in (
        (401, "the token is missing or wrong"),
        (403, "the caller is not one of ours"),
        (404, "there is no such thing here"),
        (409, "it cannot be answered, and the sentence says why"),
        (413, "the request is too large"),
        (414, "the address is too long"),
        (422, "the request is malformed"),
        (429, "too many requests"),
    )
}
"""What any route may answer instead, each as ``{"error": sentence}``."""
PNG: dict[int | str, dict[str, Any]] = {200: {"description": "A picture.", "content": {"image/png": {}}}}
"""What a route of pictures answers."""


def said(result: Any) -> JSONResponse:
    """An answer as JSON."""
    return JSONResponse(to_json(result))


def paged(found: Listing[Any]) -> JSONResponse:
    """One page as ``{"items", "total", "page", "pages", "size"}``."""
    given = {"total": found.total, "page": found.page, "pages": found.pages, "size": found.size}
    return JSONResponse(to_json({"items": list(found.items)} | given))

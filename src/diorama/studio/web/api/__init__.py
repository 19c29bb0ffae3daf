"""The API under ``/api/v1``: the answers as JSON, described by OpenAPI."""

"""Pages: templates filled by the same functions that the API gives as JSON."""

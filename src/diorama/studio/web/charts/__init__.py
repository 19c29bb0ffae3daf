"""Charts as SVG text, drawn on the server: no script, colours by the style sheet, so that they are light and dark."""

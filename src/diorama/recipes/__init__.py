"""Published systems and the whole loop, each a short composition of the parts."""

// What every page shares. Pages work without it; it adds what needs a hand: scrubbers, live figures, the graph.

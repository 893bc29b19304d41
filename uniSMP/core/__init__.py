"""One guest core on one engine: hooks, blocks, delivery, and the instructions the engine lacks."""

"""A remote stub for gdb: cores as threads, forward and back in time."""

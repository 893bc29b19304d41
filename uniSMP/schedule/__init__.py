"""Policies: which core runs next, and for how long. They know core ids, never machines."""

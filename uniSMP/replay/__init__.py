"""Recordings: what is needed to run a machine again, and machines that do."""

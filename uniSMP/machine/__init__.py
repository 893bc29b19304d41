"""Composition: cores, chips, memory and schedule become a machine that runs."""

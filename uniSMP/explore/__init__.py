"""Runs a guest under many schedules, and finds the one that breaks it."""

"""What is wrong with a run: models and invariants of guest data, judged from outside the guest."""

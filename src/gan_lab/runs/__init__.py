"""A training run from its config to its record, and a run that has ended."""

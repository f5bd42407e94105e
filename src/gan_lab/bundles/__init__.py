"""A bundle for a GPU machine without a network, and the list of runs that it works through.
Torch-free."""

"""Files that somebody else may have made, read in bounded time and held against
what they should be. Torch-free."""

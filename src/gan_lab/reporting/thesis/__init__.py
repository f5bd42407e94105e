"""The thesis's tables: their designs, and the numbers that it prints."""

"""The tables of the thesis: their designs, the numbers that it prints, and our runs beside them."""

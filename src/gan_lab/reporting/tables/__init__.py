"""Tables: cells from records, and how they are printed."""

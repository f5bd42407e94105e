"""Tables of any sweep from its records, and how they are printed."""

"""The programs behind scripts/, and what all of them share."""

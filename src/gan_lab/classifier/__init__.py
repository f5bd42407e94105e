"""The classifier of a data set that scores its samples: networks, recipe, training, and where it is
kept."""

"""The classifier of a data set, which scores its samples: networks, recipe, training, files."""

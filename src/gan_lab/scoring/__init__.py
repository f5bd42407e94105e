"""From samples to named scores: protocols, extractors, meters, references."""

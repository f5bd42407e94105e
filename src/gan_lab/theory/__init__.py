"""What the theory says, computed: exact optimal critics, transport, divergences, games, and
optimizers as recurrences."""

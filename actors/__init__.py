"""One actor per module, thin: take a message, call core, tell the results."""

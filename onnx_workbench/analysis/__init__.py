"""Questions about a model: arrays in, result objects out."""

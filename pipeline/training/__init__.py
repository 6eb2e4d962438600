"""How models are made and judged: examples, training, scorecards, the registry."""

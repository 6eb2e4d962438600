"""What changed: found, cut, measured."""

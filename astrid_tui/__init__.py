"""AstrID: find what changed in the sky and decide, at a keyboard, what is real."""

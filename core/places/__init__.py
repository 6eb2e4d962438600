"""What became of a place on the sky, in every frame."""

"""Finding charts: the field of an object, and the stars to go to it from."""

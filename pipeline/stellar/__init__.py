"""Stars of a frame and the point-spread function they show."""

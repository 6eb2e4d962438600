"""The images to subtract from."""

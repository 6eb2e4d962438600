"""The frame of the console: what every screen has around it, and how one leads to another."""

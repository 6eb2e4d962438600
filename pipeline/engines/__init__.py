"""One worker loop and what drives it."""

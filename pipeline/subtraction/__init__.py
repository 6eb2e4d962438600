"""New minus reference, and its significance."""

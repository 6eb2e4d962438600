"""The review screen: one card, one key, one verdict."""

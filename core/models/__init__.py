"""Models as the store and the registry know them: versions, which is in use, how they were trained."""

"""Help, made from the registry of actions."""

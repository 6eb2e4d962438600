"""Objects on the sky: association, cone search, light curves."""

"""From counts to electrons, with variance and mask."""

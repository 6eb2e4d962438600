"""How faint a new source may be and still be found: injected sources, their recovery, the depth."""

"""The known sky: catalogues read, orbits propagated, candidates and frames compared with both."""

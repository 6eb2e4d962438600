"""The second generator of changes and of what looks like them: it only judges, and trains nothing.

What judges a model must not share the errors of what trained it. `field`, `blemishes`, `skies` and
`real_skies` draw with nothing of the product, which the import contracts hold: half of the fields are
simulated from the pixel-integrated PSFs of `benchmarks.pairs`, half are real frames into which changes were
put with PSFs measured here. `product` lets the product subtract and search them and turns what it finds
into examples: a bogus is always something that it detected, never blank sky.
"""

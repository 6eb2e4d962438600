"""Simulated pairs of frames with known truth, drawn with nothing of the product.

What judges a program must not share its errors: this package imports numpy and scipy alone, which the
import contracts hold. `optics` makes point-spread functions, `scenarios` says what a pair is like,
`scene` what is in the sky, `ideal` how well a change could be measured at best, `draw` makes the pair.
"""

"""Frames that are spoilt in many ways, with the truth of what changed in them: does the product say so?

python -m benchmarks.spoilt [--pairs N] [--only NAME] [--json FILE]
"""

"""The subtraction judged on simulated pairs with known truth (`benchmarks.pairs`).

    python -m benchmarks.subtraction [--mpx N] [--scenario NAME] [--engine NAME] [--json FILE] [--cache DIR]

`engines` run the product, as `astrid diff` does, and others where they are installed; `metrics` judge a
score image against the truth; `report` pools pairs and prints the table. What each figure means is said
in `metrics` and `report`.
"""

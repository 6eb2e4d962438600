"""Keys of rows as people write them."""

MOST_KEY = 2**31 - 1  # the store's whole numbers have 32 bits


def key_in(text: str) -> int | None:
    """The key that a text is: decimal digits of a number that the store can hold; else none."""
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(MOST_KEY)):
        return None
    key = int(text)
    return key if key <= MOST_KEY else None

"""What people write for a row's key."""

import pytest

from core.database.keys import MOST_KEY, key_in


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("0", 0), ("42", 42), (str(MOST_KEY), MOST_KEY), (str(MOST_KEY + 1), None), ("9" * 5000, None),
        ("", None), ("-1", None), ("1.0", None), ("²", None), ("٣", None), ("n12", None),
    ],
)  # fmt: skip
def test_a_key_is_plain_digits_that_the_store_can_hold(text, key):
    assert key_in(text) == key

"""A model is read once for as long as its files stay the same."""

import pytest

from pipeline.classify.kept import Kept
from pipeline.classify.model_file import ModelRefused


def test_what_could_not_be_read_for_a_moment_is_read_the_next_time_and_then_kept(tmp_path):
    """As where a file server is away: no stamp of a file tells that it is back."""
    seen = []

    def make(folder, digest):
        seen.append((folder, digest))
        if len(seen) == 1:
            raise ModelRefused("weights.safetensors cannot be read: Input/output error")
        return object()

    kept = Kept(make, 4)
    with pytest.raises(ModelRefused, match="Input/output error"):
        kept(tmp_path, "d")
    assert kept(tmp_path, "d") is kept(tmp_path, "d")
    assert seen == [(tmp_path, "d")] * 2


def test_the_one_that_was_not_asked_for_the_longest_is_given_up_for_another(tmp_path):
    kept = Kept(lambda folder, digest: object(), 2)
    one, two = kept(tmp_path, "one"), kept(tmp_path, "two")
    assert kept(tmp_path, "one") is one
    kept(tmp_path, "three")
    assert kept(tmp_path, "one") is one
    assert kept(tmp_path, "two") is not two

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

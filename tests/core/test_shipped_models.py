"""The models that AstrID came with can be told of without any of the science."""

import json
from typing import get_args

import pytest

from core.models.names import BEST_FIRST, NAMES, ODD_BY
from core.models.shipped import DESCRIPTION, JUDGED, MOST_BYTES, ShippedModelMissing, judged, shipped
from pipeline.classify import kinds
from pipeline.classify.model_file import Kind
from pipeline.classify.shipped import SHIPPED


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_is_and_what_it_was_judged_by(name):
    found = shipped(name)
    assert found.digest == SHIPPED[name].digest
    assert found.description["kind"] == name
    assert found.description["trained"]["metrics"]


def test_every_kind_of_model_that_scores_has_a_name_and_tells_how_real_or_how_odd_something_is():
    assert set(NAMES) == set(get_args(Kind)) - {kinds.NAME} == {*BEST_FIRST, *ODD_BY}
    assert len(NAMES) == len(BEST_FIRST) + len(ODD_BY)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"gap": NaN}', b"[" * 100_000, b"{}" + b" " * MOST_BYTES]
)
def test_a_damaged_one_is_told_in_a_sentence(tmp_path, content):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / DESCRIPTION).write_bytes(content)
    with pytest.raises(ShippedModelMissing, match="damaged"):
        shipped("tree", tmp_path)
    with pytest.raises(ShippedModelMissing, match="came with no unet"):
        shipped("unet", tmp_path)


def test_what_was_found_of_a_version_is_told_of_that_one_alone(tmp_path):
    assert judged("tree", "1a", tmp_path) is None
    told = {"tree": {"digest": "1a", "gap": 0.1}, "unet": 3}
    (tmp_path / JUDGED).write_text(json.dumps(told))
    assert judged("tree", "1a", tmp_path) == told["tree"]
    assert judged("tree", "1b", tmp_path) is None
    assert judged("unet", "1a", tmp_path) is None
    (tmp_path / JUDGED).write_text("[1]")
    assert judged("tree", "1a", tmp_path) is None

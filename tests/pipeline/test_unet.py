"""The U-Net as it is served: tiles that equal the whole, objects from its maps, files that are refused."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.classify.model_file import Description, ModelFile, ModelRefused
from pipeline.classify.unet import ARCHITECTURE, CLASSES, LogOdds, UNet
from pipeline.classify.unet_input import CHANNELS, frame_input
from pipeline.detection.joined import opinion
from pipeline.detection.unet_objects import TILE_OVERLAP_PX, TILE_PX, point_objects, proposed_streaks

torch = pytest.importorskip("torch")

from pipeline.training.unet_network import UNetwork, exported  # noqa: E402

PLAIN = Description(
    kind="unet",
    architecture=ARCHITECTURE,
    config={"width": 2, "point_threshold": 1.0, "streak_threshold": 1.5},
    inputs="image",
    classes=list(CLASSES),
)
NOTHING = -9.0


@pytest.fixture(scope="module")
def network():
    """A small network with weights as random as its normalisations."""
    torch.manual_seed(3)
    made = UNetwork(2)
    with torch.no_grad():
        for name, value in made.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0.0, 0.3)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
    return made.eval()


@pytest.fixture(scope="module")
def content(network):
    return exported(network)


def served(content, description=PLAIN):
    return UNet(ModelFile(description, "digest", {}, content))


def planes_of(height, width, seed=1):
    random = np.random.default_rng(seed)
    planes = random.normal(0.0, 1.5, (CHANNELS, height, width)).astype(np.float32)
    planes[4] = random.random((height, width)) < 0.05
    return planes


@pytest.mark.parametrize(("height", "width"), [(256, 320), (251, 200), (64, 64), (31, 9)])
def test_tiles_give_what_the_whole_frame_gives(content, height, width):
    unet = served(content)
    planes = planes_of(height, width)
    whole = unet.log_odds(planes, tile_px=1024)
    for tile_px in (64, 128):
        tiled = unet.log_odds(planes, tile_px=tile_px)
        for name in ("point", "dark", "streak"):
            assert getattr(tiled, name).shape == (height, width)
            np.testing.assert_allclose(getattr(tiled, name), getattr(whole, name), atol=1e-5)


@pytest.mark.parametrize("at_once", [2, 3, 8])
def test_tiles_at_a_time_give_the_same_to_the_last_bit(content, at_once):
    unet = served(content)
    planes = planes_of(251, 200)
    one, some = unet.log_odds(planes, 64), unet.log_odds(planes, 64, at_once=at_once)
    for name in ("point", "dark", "streak"):
        np.testing.assert_array_equal(getattr(some, name), getattr(one, name))


def test_a_tile_that_fails_ends_all_with_its_sentence(content, monkeypatch):
    unet = served(content)

    def fail(self, planes):
        raise ModelRefused("unet: it cannot be run: no memory")

    monkeypatch.setattr(UNet, "logits", fail)
    with pytest.raises(ModelRefused, match="cannot be run: no memory"):
        unet.log_odds(planes_of(251, 200), 64, at_once=2)


def test_a_pixel_sees_no_farther_than_the_halo():
    """And nearly so far, so that a narrower halo would be wrong."""
    transparent = UNetwork(2).eval()
    with torch.no_grad():
        for value in transparent.parameters():
            value.abs_()
    unet = served(exported(transparent))
    planes = np.ones((CHANNELS, 256, 256), dtype=np.float32)
    changed = planes.copy()
    changed[:, 128, 128] += 1e4
    rows, columns = np.nonzero(np.abs(unet.logits(changed) - unet.logits(planes)).max(axis=0) > 0.0)
    reach = max(np.abs(rows - 128).max(), np.abs(columns - 128).max())
    assert 32 < reach <= 56


def test_what_is_exported_gives_the_numbers_of_torch(network, content):
    planes = planes_of(72, 40)
    with torch.inference_mode():
        logits = network(torch.from_numpy(planes[np.newaxis]))[0].numpy()
    np.testing.assert_allclose(served(content).logits(planes), logits, atol=1e-4)
    rest = np.logaddexp(logits[0], logits[4])
    found = served(content).log_odds(planes)
    np.testing.assert_allclose(found.dark, logits[2] - rest, atol=1e-4)
    np.testing.assert_allclose(found.real, (logits[1:4] - rest).max(axis=0), atol=1e-4)


def foreign(*nodes, external=False, inputs="image"):
    """A network of other making that adds its input to a number."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    if external:
        one.ClearField("float_data")
        one.data_location = TensorProto.EXTERNAL
        one.external_data.add(key="location", value="/etc/hostname")
    shape = ["n", CHANNELS, "height", "width"]
    graph = helper.make_graph(
        list(nodes) or [helper.make_node("Identity", [inputs], ["logits"])],
        "graph",
        [helper.make_tensor_value_info(inputs, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [one],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_a_network_that_could_do_harm_is_refused(content, tmp_path):
    add = helper.make_node("Add", ["image", "one"], ["logits"])
    custom = helper.make_node("Conv", ["image", "one"], ["logits"], domain="evil.example")
    inner = helper.make_graph(
        [helper.make_node("Add", ["one", "one"], ["two"])],
        "inner",
        [],
        [helper.make_tensor_value_info("two", TensorProto.FLOAT, None)],
    )
    hidden = helper.make_node("Identity", ["image"], ["logits"], then_branch=inner)
    cases = {
        "names other files": foreign(external=True).SerializeToString(),
        "operator 'Add'": foreign(add).SerializeToString(),
        "operator 'Conv'": foreign(custom).SerializeToString(),
        "operator 'Add', ": foreign(hidden).SerializeToString(),
        "takes other inputs|does not tell": foreign(inputs="picture").SerializeToString(),
        "no ONNX|cannot be run": content[: len(content) // 2],
        "no ONNX|cannot be run|other inputs": b"\x80\x04cos\nsystem\n.",
        "is missing": None,
    }
    for words, network in cases.items():
        with pytest.raises(ModelRefused, match=words) as refused:
            served(network)
        assert "\n" not in str(refused.value)


def test_a_network_that_gives_no_logits_is_refused_when_it_runs():
    unet = served(foreign().SerializeToString())  # gives back its five inputs
    planes = planes_of(64, 64)
    assert unet.log_odds(planes).point.shape == (64, 64)
    planes[0, 3, 3] = np.nan
    with pytest.raises(ModelRefused, match="no logits"):
        unet.log_odds(planes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "tree"}, "no U-Net"),
        ({"architecture": "other"}, "no U-Net"),
        ({"classes": ["a", "b"]}, "classes"),
        ({"config": {"point_threshold": "high", "streak_threshold": 1.0}}, "point_threshold"),
        ({"config": {"point_threshold": 1.0}}, "streak_threshold"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(content, change, words):
    with pytest.raises(ModelRefused, match=words):
        served(content, PLAIN.model_copy(update=change))


def test_the_exported_network_holds_its_weights_and_known_operators_alone(content):
    made = onnx.load_from_string(content)
    assert not any(each.data_location == TensorProto.EXTERNAL for each in made.graph.initializer)
    assert {node.op_type for node in made.graph.node} <= {
        "Conv",
        "ConvTranspose",
        "Relu",
        "MaxPool",
        "Concat",
    }


def maps_with(shape=(120, 160)):
    return LogOdds(*(np.full(shape, NOTHING, dtype=np.float32) for _ in range(3)))


def spot(image, x, y, height=4.0, sigma=1.2):
    rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    bump = NOTHING + (height - NOTHING) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    np.maximum(image, bump.astype(np.float32), out=image)


def trail(image, x, y, x_end, y_end, height=3.0):
    for along in np.linspace(0.0, 1.0, 400):
        spot_x, spot_y = round(x + along * (x_end - x)), round(y + along * (y_end - y))
        image[spot_y - 1 : spot_y + 2, spot_x - 1 : spot_x + 2] = height


def test_point_objects_are_where_the_sources_are_with_their_sign():
    maps = maps_with()
    spot(maps.point, 40.3, 50.7)
    spot(maps.dark, 100.0, 20.0, height=2.0)
    masked = np.zeros(maps.point.shape, dtype=bool)
    surest, other = point_objects(maps, masked, 0.5)
    assert (surest.x, surest.y) == pytest.approx((40.3, 50.7), abs=0.3)
    assert (other.x, other.y) == pytest.approx((100.0, 20.0), abs=0.3)
    assert (surest.sign, other.sign) == (1, -1)
    assert surest.log_odds > other.log_odds > 1.5
    masked[15:26, 95:106] = True
    assert point_objects(maps, masked, 0.5) == [surest]
    assert point_objects(maps, masked, 4.5) == []


def proposed(maps, masked=None, score=None):
    """What the first selection of pixels proposes where the score is nowhere significant."""
    masked = np.zeros(maps.point.shape, dtype=bool) if masked is None else masked
    score = np.zeros(maps.point.shape, dtype=np.float32) if score is None else score
    return proposed_streaks(maps, score, masked, 3.0)


def test_a_streak_that_stars_break_is_one_with_its_length_and_angle():
    maps = maps_with()
    trail(maps.streak, 20, 30, 130, 90, height=1.0)
    masked = np.zeros(maps.point.shape, dtype=bool)
    masked[45:60, 60:75] = True
    spot(maps.streak, 20, 100, height=1.0)  # round: no streak
    (streak,) = proposed(maps, masked)
    assert streak.length == pytest.approx(np.hypot(110, 60), abs=4.0)
    assert streak.angle_deg == pytest.approx(np.degrees(np.arctan2(60, 110)), abs=1.5)
    assert streak.middle == pytest.approx((75.0, 60.0), abs=2.5)
    assert streak.distance(np.array([75.0]), np.array([60.0]))[0] < 1.0


@pytest.mark.parametrize(
    "ends", [((10, 10, 150, 110), (10, 105, 150, 30)), ((10, 60, 150, 60), (10, 90, 150, 90))]
)
def test_two_streaks_are_two_though_they_cross(ends):
    maps = maps_with()
    for each in ends:
        trail(maps.streak, *each, height=1.0)
    found = proposed(maps)
    assert len(found) == 2
    for x, y, x_end, y_end in ends:
        there = [each.distance(np.array([x, x_end]), np.array([y, y_end])).max() < 3.0 for each in found]
        assert there.count(True) == 1


def test_short_trails_are_found_whatever_lies_far_away_on_their_lines():
    """Specks on its line make no trail longer, and do not hide it for being sparse."""
    maps = maps_with()
    trail(maps.streak, 20, 20, 36, 20, height=1.0)
    trail(maps.streak, 60, 90, 60, 106, height=1.0)
    for x, y in ((80, 20), (140, 21), (60, 30), (61, 10)):
        spot(maps.streak, x, y, height=1.0)
    found = proposed(maps)
    assert len(found) == 2
    assert sorted(each.middle for each in found) == [
        pytest.approx((28.0, 20.0), abs=1.5),
        pytest.approx((60.0, 98.0), abs=1.5),
    ]
    assert max(each.length for each in found) < 24.0


def test_what_the_network_hardly_sees_is_proposed_where_it_is_significant():
    maps = maps_with()
    trail(maps.streak, 20, 30, 130, 90, height=-3.0)
    assert proposed(maps) == []
    score = np.zeros(maps.point.shape, dtype=np.float32)
    trail(score, 20, 30, 130, 90, height=3.0)
    (streak,) = proposed(maps, score=score)
    assert streak.length == pytest.approx(np.hypot(110, 60), abs=4.0)


def test_a_large_frame_is_searched_in_tiles_that_overlap():
    shape = (TILE_PX - 40, 2 * TILE_PX)
    maps = LogOdds(*(np.full(shape, NOTHING, dtype=np.float32) for _ in range(3)))
    trail(maps.streak, TILE_PX - TILE_OVERLAP_PX + 10, 30, TILE_PX - 12, 60, height=1.0)
    found = proposed(maps)
    assert found
    for streak in found:
        assert streak.length == pytest.approx(np.hypot(TILE_OVERLAP_PX - 22, 30), abs=4.0)


def test_blobs_and_scattered_pixels_are_no_streak():
    maps = maps_with()
    spot(maps.streak, 40, 40, height=5.0, sigma=4.0)
    random = np.random.default_rng(3)
    maps.streak[random.integers(0, 120, 40), random.integers(0, 160, 40)] = 3.0
    assert proposed(maps) == []


def test_the_opinion_of_a_place_is_the_largest_within_its_core():
    maps = maps_with()
    maps.dark[52, 41] = 2.5
    maps.point[50, 47] = 7.0
    x, y = np.array([40.0, 0.0]), np.array([51.0, 0.0])
    assert opinion(maps, x, y, fwhm=4.0).tolist() == [2.5, NOTHING]


def test_the_input_is_in_sigma_of_the_whole_frame_and_nothing_where_masked():
    random = np.random.default_rng(5)
    sky = random.normal(0.0, 7.0, (200, 200)).astype(np.float32)
    mask = np.zeros((200, 200), dtype=np.uint16)
    mask[:20] = 1
    sky[100, 100] = 7.0 * 3.0 * np.sinh(2.0)
    sky[5, 5] = 1e9
    difference = SimpleNamespace(mask=mask, data=sky, score=(sky / 7.0).astype(np.float32))
    frame = SimpleNamespace(frame=SimpleNamespace(signal=sky))
    planes = frame_input(difference, frame, frame)
    assert planes.shape == (CHANNELS, 200, 200)
    assert not planes[:4, :20].any()
    assert planes[4].sum() == 20 * 200
    np.testing.assert_allclose(planes[:4, 100, 100], 2.0, atol=0.03)
    assert np.std(planes[0, 20:]) == pytest.approx(1.0 / 3.0, rel=0.05)

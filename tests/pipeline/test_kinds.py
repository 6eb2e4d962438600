"""The network that tells kinds: what it is taught, how it is kept, and what it says of what one knows."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from core.errors import AstridError
from pipeline.classify import kinds as served
from pipeline.classify.cutout_features import NAMES
from pipeline.classify.kinds import LAYERS, NUMBERS, network_of, numbers_of, shipped, sound
from pipeline.classify.model_file import ModelRefused, read
from pipeline.classify.rings import rings
from pipeline.classify.scorers import Inputs
from pipeline.classify.shipped import KINDS
from pipeline.classify.triplets import SIDE, of_arrays
from pipeline.training import kinds as teaching
from pipeline.training.conditions import PLAIN, Conditions, Crowd
from pipeline.training.events import Event, draw_events
from pipeline.training.fields import field
from pipeline.training.kinds import Taught, arrays_of, kind_of, learnt, metrics_of, train, with_more_changes
from pipeline.training.scenes import draw_scene

STEPS = np.arange(SIDE) - SIDE // 2
RADIUS = np.hypot(*np.meshgrid(STEPS, STEPS))
POINT = np.exp(-0.5 * (RADIUS / 1.5) ** 2)
GALAXY = np.exp(-RADIUS / 5.0)
COUNT = 40


def seen(new, ref, seed=1):
    """Triplets of a sky in two states; the difference has the noise of both."""
    random = np.random.default_rng(seed)
    noises = random.standard_normal((2, COUNT, SIDE, SIDE))
    images = [light + noise for light, noise in zip((new, ref), noises, strict=True)]
    return of_arrays(*images, images[0] - images[1])


def told(triplets):
    """The mean probability of each kind."""
    network = shipped()
    likely = network.probabilities(numbers_of(Inputs(triplets).features, rings(triplets)))
    np.testing.assert_allclose(likely.sum(axis=1), 1.0, atol=1e-5)
    return dict(zip(network.kinds, likely.mean(axis=0).tolist(), strict=True))


@pytest.mark.parametrize(
    ("new", "ref", "kind"),
    [
        (12.0 * POINT, 0.0 * POINT, "new none"),
        (12.0 * POINT + 8.0 * GALAXY, 8.0 * GALAXY, "new galaxy"),
        (30.0 * POINT, 15.0 * POINT, "new star"),
        (0.0 * POINT, 12.0 * POINT, "gone none"),
        (8.0 * GALAXY, 12.0 * POINT + 8.0 * GALAXY, "gone galaxy"),
        (15.0 * POINT, 30.0 * POINT, "gone star"),
    ],
)
def test_what_lies_under_a_change_is_told(new, ref, kind):
    """In images that no generator of AstrID made."""
    likely = told(seen(new, ref))
    assert max(likely, key=likely.get) == kind
    assert likely[kind] > 0.5


def test_what_went_wrong_is_told():
    column = np.where(np.abs(STEPS) == 0, 15.0, 0.0) * np.ones((SIDE, 1))
    likely = told(seen(column, 0.0 * column))
    assert max(likely, key=likely.get) == "column"


def test_what_cannot_be_measured_counts_as_usual():
    network = shipped()
    nothing = np.full((1, NUMBERS), np.nan, dtype=np.float32)
    np.testing.assert_allclose(
        network.probabilities(nothing), network.probabilities(network.centre[None]), rtol=1e-5
    )
    assert network.probabilities(np.empty((0, NUMBERS))).shape == (0, len(network.kinds))


def test_many_are_told_as_few_are(monkeypatch):
    numbers = np.random.default_rng(1).standard_normal((10, NUMBERS)).astype(np.float32)
    at_once = shipped().probabilities(numbers)
    monkeypatch.setattr(served, "AT_ONCE", 3)
    np.testing.assert_allclose(shipped().probabilities(numbers), at_once, rtol=1e-6)


def test_what_came_with_astrid_is_the_one_in_the_code_or_refused(tmp_path):
    assert read(KINDS.folder, KINDS.digest).description.kind == "kinds"
    spoilt = tmp_path / "kinds"
    shutil.copytree(KINDS.folder, spoilt)
    weights = spoilt / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelRefused, match="damaged or was changed"):
        read(spoilt, KINDS.digest)
    said = json.loads((KINDS.folder / "model.json").read_text())
    (spoilt / "model.json").write_text(json.dumps(said))
    with pytest.raises(ModelRefused, match="not the one"):
        read(spoilt, KINDS.digest)


def test_another_model_is_no_network_of_kinds():
    model = read(KINDS.folder)
    for change in ({"architecture": "cutout_cnn"}, {"kind": "tree"}):
        other = SimpleNamespace(description=model.description.model_copy(update=change), arrays=model.arrays)
        with pytest.raises(ModelRefused, match="no network that tells kinds"):
            network_of(other)
    fewer = model.description.model_copy(update={"features": list(NAMES)[1:]})
    with pytest.raises(ModelRefused, match="other features"):
        network_of(SimpleNamespace(description=fewer, arrays=model.arrays))


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("centre", lambda each: each[1:], "do not fit"),
        ("hidden_weight", lambda each: each.T, "do not fit"),
        ("hidden_offset", lambda each: each[None], "wrong size"),
        ("hidden_offset", lambda each: each[:0], "wrong size"),
        ("kind_weight", lambda each: each[:, 1:], "do not fit"),
        ("scale", lambda each: 0.0 * each, "not above 0"),
        ("kind_offset", lambda _: None, "lacks kind_offset"),
    ],
)
def test_layers_that_do_not_fit_together_are_refused(name, change, why):
    arrays = arrays_of(shipped())
    changed = {key: each for key, each in {**arrays, name: change(arrays[name])}.items() if each is not None}
    with pytest.raises(ModelRefused, match=why):
        sound(shipped().kinds, changed)


@pytest.mark.parametrize(
    ("kind", "snr", "host", "taught"),
    [
        ("point", 9.0, "none", "new none"),
        ("point", 9.0, "galaxy", "new galaxy"),
        ("variable", 9.0, "star", "new star"),
        ("variable", -9.0, "star", "gone star"),
        ("vanished", -9.0, "none", "gone none"),
        ("vanished", -9.0, "galaxy", "gone galaxy"),
        ("fading", -9.0, "none", "gone star"),
        ("fading", -9.0, "galaxy", "gone galaxy"),
        ("satellite", 9.0, "none", "satellite"),
        ("trail", 9.0, "none", "trail"),
    ],
)
def test_a_change_is_taught_by_its_sign_and_what_lies_under_it(kind, snr, host, taught):
    assert kind_of("anything", Event(kind, 1.0, 1.0, snr, snr, host, "f-1", 1.0, 1.0, 1.0, 1.0)) == taught


def test_a_bogus_is_taught_by_what_went_wrong():
    assert kind_of("cosmic_ray", None) == "cosmic_ray"


def test_fields_that_teach_have_more_changes_and_more_stars_that_vary():
    scene = draw_scene(np.random.default_rng(1), 512)
    counts = [
        [len(draw_events(np.random.default_rng(seed), scene, 512, "f", each)) for seed in range(20)]
        for each in (PLAIN, with_more_changes(PLAIN))
    ]
    assert 2.0 < np.mean(counts[1]) / np.mean(counts[0]) < 3.0
    drawn = with_more_changes(PLAIN)
    assert drawn.variable_share == 0.25
    crowd = Conditions(crowd=Crowd(1e4, 1e6, 4.0, 0.7), variable_share=0.35)
    assert with_more_changes(crowd) == replace(crowd, changes=1.5)
    found = field(1, 192, changed=with_more_changes)
    assert found.conditions == with_more_changes(field(1, 192).conditions)


def taught(count=1200, seed=1):
    """Three kinds that differ in some numbers, in ten fields."""
    random = np.random.default_rng(seed)
    kind = random.integers(3, size=count)
    numbers = random.standard_normal((count, NUMBERS)).astype(np.float32)
    numbers[:, 40:50] += 2.0 * kind[:, None]
    numbers[::7, 3] = np.nan
    return Taught(numbers, np.array(["new none", "new star", "hot"])[kind], np.arange(count) % 10)


def test_what_was_learnt_tells_kinds_and_is_kept_as_it_is(tmp_path):
    examples = taught()
    metrics = train(tmp_path / "kinds", examples, {"seed": 1, "fields": 10})
    assert metrics["right"] > 0.9
    assert metrics["auc_new_star"] > 0.97
    model = read(tmp_path / "kinds")
    held = examples.field % 5 == 0
    assert model.description.trained["examples"] == np.count_nonzero(~held)
    network = network_of(model)
    assert network.kinds == ("hot", "new none", "new star")
    again = learnt(examples[~held])
    np.testing.assert_array_equal(
        network.probabilities(examples.numbers), again.probabilities(examples.numbers)
    )
    assert metrics_of(again, examples[held]) == metrics


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_it_says_what_scikit_learn_says_of_the_same_layers():
    examples = taught(200)
    numbers = np.nan_to_num(examples.numbers)
    learner = MLPClassifier((7,), max_iter=30, random_state=1).fit(numbers, examples.kind)
    layers = {
        name: each
        for names, pair in zip(LAYERS, zip(learner.coefs_, learner.intercepts_, strict=True), strict=True)
        for name, each in zip(names, pair, strict=True)
    }
    network = sound(
        tuple(learner.classes_), {"centre": np.zeros(NUMBERS), "scale": np.ones(NUMBERS), **layers}
    )
    within = np.clip(numbers, -6.0, 6.0)  # beyond it a number says nothing more
    np.testing.assert_allclose(network.probabilities(numbers), learner.predict_proba(within), atol=1e-6)


def test_it_is_judged_by_fields_that_it_did_not_learn_from(tmp_path):
    """Numbers that say nothing of kinds but in the fields themselves."""
    random = np.random.default_rng(2)
    examples = taught()
    blind = Taught(
        random.standard_normal((len(examples), NUMBERS)).astype(np.float32), examples.kind, examples.field
    )
    assert train(tmp_path / "kinds", blind, {})["right"] < 0.45
    few = Taught(examples.numbers, examples.kind, np.ones(len(examples), dtype=np.int64))
    with pytest.raises(AstridError, match="one field in 5"):
        train(tmp_path / "other", few, {})


def test_fields_teach_what_is_detected_in_them(monkeypatch, tmp_path, capsys):
    """The command, in fields as small as can be."""
    monkeypatch.setattr(teaching, "FIELD_PX", 192)
    monkeypatch.setattr("sys.argv", ["kinds", str(tmp_path / "made"), "--fields", "6", "--seed", "3"])
    assert teaching.main() == 0
    assert "right" in capsys.readouterr().out
    made = read(tmp_path / "made").description
    assert made.trained["options"]["fields"] == 6
    assert {"new none", "new star"} & set(made.classes)
    with pytest.raises(SystemExit):
        teaching.main()
    assert "exists already" in capsys.readouterr().err

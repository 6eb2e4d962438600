"""Training fields: what is injected is told truly, and a seed is a field."""

import numpy as np
import pytest

from core.settings import Settings
from core.settings_sections import DetectSettings, SubtractSettings
from pipeline.detection.detect import detect
from pipeline.detection.forced import forced_fluxes
from pipeline.training import field_cache
from pipeline.training.detected import kept_as
from pipeline.training.events import POINTS, STREAKS, draw_events
from pipeline.training.fields import ARTEFACT, DARK, POINT, STREAK, UNTOLD, VERSION, field, nature
from pipeline.training.scenes import draw_scene

SEEDS = (7, 5)


@pytest.fixture(scope="module")
def fields():
    return [field(seed, 384) for seed in SEEDS]


def test_a_seed_gives_one_field_and_another_seed_another(fields):
    again = field(SEEDS[0], 384)
    assert np.array_equal(again.difference.score, fields[0].difference.score)
    assert np.array_equal(again.classes, fields[0].classes)
    assert again.events == fields[0].events
    assert not np.array_equal(fields[0].difference.score, fields[1].difference.score)


def test_a_field_follows_how_the_settings_subtract_and_search_and_no_variable(fields, monkeypatch):
    """At times it is subtracted by the other method: what comes with AstrID knows of both."""
    detect, subtract = DetectSettings(threshold=4.0), SubtractSettings(method="classic", device="cuda")
    settings = Settings.model_construct(detect=detect, subtract=subtract)
    monkeypatch.setenv("ASTRID_DETECT__THRESHOLD", "9")
    for seed, usual in zip(SEEDS, fields, strict=True):
        other = field(seed, 384, settings=settings)
        assert other.settings.detect.threshold == 4.0
        assert other.settings.subtract.device == "cpu"
        assert {other.difference.method, usual.difference.method} == {"zogy", "classic"}
        np.testing.assert_array_equal(other.new.frame.data, usual.new.frame.data)
    assert field(SEEDS[0], 384).settings.detect.threshold == 5.0


def test_what_is_kept_of_fields_is_told_apart_by_what_they_follow_alone(tmp_path):
    usual = Settings.model_construct(home=tmp_path)
    keen, coarse, as_it_comes = (
        usual.model_copy(update=update)
        for update in (
            {"detect": DetectSettings(threshold=4.0)},
            {"subtract": SubtractSettings(tile_px=320)},
            {"detect": DetectSettings(unet=False), "subtract": SubtractSettings(device="cuda")},
        )
    )
    assert kept_as(None, as_it_comes) == kept_as(None, usual) == kept_as(None) == f"seen-{VERSION}-none-"
    assert len({kept_as(None, each) for each in (usual, keen, coarse)}) == 3


def test_injected_sources_have_the_flux_and_the_significance_that_the_truth_tells(fields):
    pulls = []
    for made in fields:
        events = [event for event in made.events if not event.is_streak and event.host == "none"]
        x, y = np.array([[event.x, event.y] for event in events]).T
        flux, error = forced_fluxes(made.difference, x, y)
        expected = np.array([event.snr for event in events])
        pulls.append((flux / error - expected) / np.hypot(1.0, 0.1 * expected))
    pulls = np.concatenate(pulls)
    assert len(pulls) > 10
    assert abs(np.median(pulls)) < 0.6
    assert np.mean(np.abs(pulls) < 3.0) > 0.85


def test_streaks_lie_within_the_field_and_are_long_and_short_faint_and_bright():
    random = np.random.default_rng(3)
    scene = draw_scene(random, 400)
    streaks = [each for i in range(150) for each in draw_events(random, scene, 400, f"{i}") if each.is_streak]
    ends = np.array([(each.x_begin, each.y_begin, each.x_end, each.y_end) for each in streaks])
    assert ends.min() >= -1e-6
    assert ends.max() <= 399.0 + 1e-6
    snr = np.array([each.snr for each in streaks])
    length = np.hypot(ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1]) / scene.new.brush.fwhm
    for low, high in ((2.0, 6.0), (6.0, 15.0), (15.0, 40.0)):
        those = (length > low) & (length < high)
        assert np.count_nonzero(those) > 10
        assert snr[those].min() < 5.0 < 8.0 < snr[those].max()


def test_every_bright_event_has_the_class_of_its_kind_at_its_place(fields):
    told = 0
    for made in fields:
        for event in made.events:
            if event.is_streak or abs(event.snr) < 20.0:
                continue
            at = made.classes[round(event.y), round(event.x)]
            assert at in (POINT if event.snr > 0 else DARK, STREAK)
            told += 1
    assert told >= 5


def test_every_significant_place_without_an_event_is_an_artefact(fields):
    """A bogus is always a detection, never blank sky."""
    for made in fields:
        artefact = made.classes == ARTEFACT
        assert artefact.any()
        spoilt = np.any(list(made.defects.values()), axis=0)
        assert np.abs(made.difference.score[artefact & ~spoilt]).min() > 4.0
        assert (made.classes[made.difference.mask != 0] == UNTOLD).all()


def test_what_is_detected_is_told_apart_by_what_it_is(fields):
    kinds = set()
    for made in fields:
        detections, dropped = detect(made.difference, made.new, made.reference, made.settings)
        for found in (*detections, *dropped):
            kind, event = nature(made, found.x, found.y)
            assert (event is not None) == (kind in (*POINTS, *STREAKS))
            kinds.add(kind)
    assert {"point", "vanished"} <= kinds
    assert kinds - {*POINTS, *STREAKS}


def test_a_folder_of_fields_is_made_once_and_read_back(tmp_path, fields, monkeypatch):
    monkeypatch.setattr(field_cache, "field", lambda seed, size, **_: fields[SEEDS.index(seed)])
    seen = []
    files = field_cache.make(
        tmp_path, range(SEEDS[0], SEEDS[0] + 1), 384, lambda done, of: seen.append((done, of))
    )
    before = files[0].read_bytes()
    monkeypatch.setattr(field_cache, "field", lambda *_, **__: pytest.fail("made twice"))
    assert field_cache.make(tmp_path, range(SEEDS[0], SEEDS[0] + 1), 384) == files
    assert files[0].read_bytes() == before
    assert seen == [(1, 1)]
    back = field_cache.read(files[0])
    assert np.array_equal(back.classes, fields[0].classes)
    assert back.planes.shape == (5, 384, 384)
    assert np.isfinite(back.planes).all()
    assert back.kinds.tolist() == [event.kind for event in fields[0].events]
    assert sorted(tmp_path.iterdir()) == files
    keen = Settings.model_construct(detect=DetectSettings(threshold=4.0))
    monkeypatch.setattr(field_cache, "field", lambda seed, size, settings: fields[settings is keen])
    (other,) = field_cache.make(tmp_path, range(SEEDS[0], SEEDS[0] + 1), 384, settings=keen)
    assert other not in files
    assert field_cache.read(other).name == fields[1].name


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04cos\nsystem\n."])
def test_a_file_that_is_no_field_is_refused(tmp_path, content):
    path = tmp_path / "field.npz"
    path.write_bytes(content)
    with pytest.raises(field_cache.FieldDamaged, match=r"field\.npz is damaged: remove it"):
        field_cache.read(path)


def test_a_change_in_a_galaxy_knows_how_far_from_its_middle_it_is():
    offsets = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        scene = draw_scene(random, 384)
        for event in draw_events(random, scene, 384, "f"):
            if event.host == "galaxy":
                away = [np.hypot(event.x - host.x, event.y - host.y) for host in scene.hosts]
                assert np.isclose(away, event.host_offset).any()
                offsets.append(event.host_offset)
            elif event.host == "star":
                assert event.host_offset == 0.0
            else:
                assert np.isnan(event.host_offset)
    assert len(offsets) > 20
    assert 0.0 < np.median(offsets) < 10.0  # as the light is, which has radii of 1.5 to 10 px

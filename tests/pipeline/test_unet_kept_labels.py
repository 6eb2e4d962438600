"""What a U-Net keeps of held-out labels is what it would have said as their frames were processed."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest

from core.database.store import open_store
from core.settings_sections import DetectSettings
from core.vocabulary import Label
from pipeline.classify.model_file import Calibration, read, write
from pipeline.classify.shipped import SHIPPED
from pipeline.classify.unet import shipped
from pipeline.detection.joined import opinion
from pipeline.training import field_cache, label_fields, label_window
from pipeline.training.label_examples import scored_labels
from pipeline.training.member_scores import ROWS, SAID, rows_of, weighable
from pipeline.training.remembered import NIGHTS, OBJECTS, numbers
from pipeline.training.unet_labels import said_of
from tests.pipeline.labelled_night import candidates, judge, processed


def test_labels_that_were_held_out_weigh_as_if_the_unet_had_seen_their_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(label_window, "WINDOW_PX", 192)  # less than a frame, so that places move
    monkeypatch.setattr(label_window, "INNER_PX", 32)
    monkeypatch.setattr(label_fields, "held_frames", lambda frames: [True] * len(frames))
    settings = processed(tmp_path, detect=DetectSettings())
    with closing(open_store(settings.store_url)) as store:
        for number, each in enumerate(candidates(store)):
            judge(store, each, Label.REAL if number % 2 else Label.TRAIL)  # of which no pixel is told
        labels = label_fields.labels_of(store, settings)
        seen_by = scored_labels(store, settings.review, None, SHIPPED["unet"].digest)
        windows = label_fields.make(tmp_path / "w", labels, settings, lambda *_: None, lambda: False)
        assert windows.told["untold"] > 0 < windows.told["held_out"]
        assert (windows.learnt, windows.objects, windows.nights) == ((), (), ())

        model = read(SHIPPED["unet"].folder)
        kept = said_of(shipped(), windows.held_out, lambda _done: None).kept(model.description.calibration)
        learnt = {OBJECTS: numbers(windows.objects), NIGHTS: numbers(windows.nights)}
        about = model.description.model_copy(update={"trained": {}})
        digest = write(tmp_path / "unet", about, {**learnt, **kept}, model.network)  # another version now
        labelled = scored_labels(store, settings.review, None, digest)
    agreed = [each for frame in labels.frames for each in frame.candidates]
    assert sorted(each.row for each in agreed) == sorted(rows_of(labelled.examples).tolist())
    assert np.isnan(labelled.unet).all()
    found = weighable(labelled, [], {"unet": (tmp_path / "unet", digest)}, digest)
    assert found.told["without_unet"] == 0
    assert found.log_odds["unet"] == pytest.approx(seen_by.unet, abs=0.005)  # windows are kept as float16
    assert np.ptp(found.log_odds["unet"]) > 1.0


@pytest.mark.parametrize("shape", [(200, 221), (301, 283)])
def test_where_a_frame_ends_a_window_of_it_tells_what_the_frame_does(tmp_path, shape):
    """Sides that no pooling divides, as of a frame that is smaller than a window or larger."""
    random = np.random.default_rng(3)
    planes = random.normal(size=(5, *shape)).astype(np.float32)
    planes[4] = 0.0
    height, width = shape
    x = np.array([width - 1.0, 100.0, width - 1.0, 2.0])
    y = np.array([height - 1.0, height - 1.4, 2.0, 60.0])
    for column, row in zip(x, y, strict=True):
        away = np.hypot(np.arange(height)[:, None] - row - 1.0, np.arange(width) - column - 1.0)
        planes[[0, 2, 3]] += 8.0 * np.exp(-(away**2) / 8.0)
    planes = planes.astype(np.float16).astype(np.float32)  # as windows are kept
    labels = [
        SimpleNamespace(
            candidate=SimpleNamespace(x=x[i], y=y[i], snr=9.0, features={}), label=1, kind=Label.REAL, row=i
        )
        for i in range(len(x))
    ]
    mask = np.zeros(shape, dtype=np.uint16)
    gone = SimpleNamespace(x=width + 200.0, y=30.0, snr=9.0, features={})  # the reference was larger then
    labels.append(SimpleNamespace(candidate=gone, label=1, kind=Label.REAL, row=4))
    difference = SimpleNamespace(psf=SimpleNamespace(fwhm=4.0), score=planes[3], mask=mask)
    paths = []
    for number, middle in enumerate(label_window.middles(labels)):
        paths.append(tmp_path / f"{number}.npz")
        field_cache.store(label_window.window("w", middle, labels, planes, difference), paths[-1])
    said = said_of(shipped(), paths, lambda _done: None)
    kept = said.kept(Calibration(slope=2.0, offset=1.0))
    assert kept[ROWS].tolist() == [0, 1, 2, 3]  # and not that of the place beyond
    found = said.log_odds[np.argsort(said.rows)][:4]
    assert kept[SAID] == pytest.approx(2.0 * found + 1.0)
    assert found == pytest.approx(opinion(shipped().log_odds(planes), x, y, 4.0), abs=1e-4)

"""The product as the benchmark judges it: the way of `astrid diff`, what it got wrong told."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.pairs.draw import draw
from benchmarks.pairs.scenarios import SCENARIOS
from benchmarks.subtraction import engines
from benchmarks.subtraction.__main__ import Pool, main, truth_of
from benchmarks.subtraction.report import line

SMALL = replace(SCENARIOS["typical"], size=448, stars=2000.0, transients=150.0)


@pytest.fixture(scope="module")
def way():
    return engines.way(draw(SMALL, 3))


@pytest.mark.parametrize("engine", ["zogy", "classic", "given"])
def test_a_small_pair_is_judged_as_a_large_one_is(way, engine):
    truth, pool = truth_of(way.pair), Pool()
    pool.take(engines.run(engine, way), truth, way.pair)
    figures = pool.result()
    assert figures["sigma"] == pytest.approx(1.0, abs=0.06)
    assert {"map_px", "left_px", "psf_new", "psf_ref"} <= figures["facts"].keys()
    assert figures["facts"]["gain"] < 0.05  # by a dozen stars
    assert figures["facts"]["rescaled"] in (0.0, 1.0)
    assert figures["false_per_mpx"] < 60.0
    assert figures["kept_by_cuts"] > 0.8
    assert 0.0 < figures["costs"]["core_ffts"] < figures["costs"]["whole_ffts"]
    assert "not installed" not in line("typical", engine, figures)


def test_changes_are_measured_in_electrons_of_the_reference(way):
    outcome, truth = engines.run("zogy", way), truth_of(way.pair)
    assert outcome.flux is not None
    bright = np.flatnonzero(
        (truth.snr > 15) & outcome.good[np.rint(truth.y).astype(int), np.rint(truth.x).astype(int)]
    )
    assert len(bright) >= 5
    for i in bright:
        flux, error = outcome.flux(truth.x[i], truth.y[i])
        assert flux == pytest.approx(truth.flux[i] * truth.sign[i] * way.pair.ref.light, abs=5.0 * error)


def test_the_peak_of_memory_is_that_of_the_subtraction(way):
    assert 20.0 < engines.peak_bytes(way, "zogy") < 200.0


@pytest.mark.parametrize("mpx", ["0", "-1", "nan"])
def test_no_megapixels_are_wrong_usage(mpx, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["subtraction", "--mpx", mpx])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"--mpx {mpx}: more than 0 megapixels are needed\n")

"""The U-Net looks at a frame while other stages go on: the same is seen, and nothing is left behind."""

from __future__ import annotations

import gc
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from core.settings import Settings
from pipeline.classify.model_file import ModelRefused
from pipeline.classify.unet import LogOdds, shipped
from pipeline.detection import unet_look
from pipeline.detection.unet_look import Look, looking
from tests.pipeline.pairs import make_pair


@pytest.fixture(scope="module")
def scene():
    """A frame, its reference and a difference of their sides."""
    new, reference, *_ = make_pair((160, 200), seed=5)
    random = np.random.default_rng(2)
    values = random.normal(size=(2, 160, 200)).astype(np.float32)
    mask = (random.random((160, 200)) < 0.02).astype(np.uint16)
    return SimpleNamespace(data=values[0], score=values[1], mask=mask), new, reference


def with_threads(threads, **sections):
    return Settings(run={"threads": threads}, **sections)


def threads_at_work():
    return [each.name for each in threading.enumerate() if each.name.startswith(("unet", "beside"))]


class Network:
    """Says which thread it looked in, and waits until it is let."""

    def __init__(self):
        self.let, self.begun, self.stops = threading.Event(), threading.Event(), []
        self.thread = ""

    def log_odds(self, planes, *, at_once, helped, stop):
        self.at_once, self.helped, self.thread = at_once, helped, threading.current_thread().name
        self.begun.set()
        assert self.let.wait(30)
        self.stops.append(stop.is_set())
        return LogOdds(*planes[:3])


@pytest.fixture
def network(monkeypatch):
    network = Network()
    monkeypatch.setattr(unet_look, "shipped", lambda: network)
    return network


def test_any_number_of_threads_sees_the_same_to_the_last_bit(scene):
    seen = {}
    for threads in (1, 2, 3):
        with looking(*scene, with_threads(threads)) as look:
            seen[threads] = look()
    assert seen[1].network is shipped()
    for other in (seen[2], seen[3]):
        for name in ("point", "dark", "streak"):
            np.testing.assert_array_equal(getattr(other.maps, name), getattr(seen[1].maps, name))


def test_it_looks_while_the_caller_goes_on(scene, network):
    with looking(*scene, with_threads(2)) as look:
        assert network.begun.wait(30)
        assert not network.helped.is_set()  # this thread is at work
        network.let.set()
        assert look().network is network
        assert network.helped.is_set()
    assert network.thread != threading.current_thread().name
    assert threads_at_work() == []


def test_with_one_thread_it_looks_when_it_is_asked(scene, network):
    network.let.set()
    with looking(*scene, with_threads(1)) as look:
        assert not network.begun.is_set()
        assert look().network is network
    assert network.thread == threading.current_thread().name


def test_no_more_tiles_are_in_hand_than_there_is_memory_for(scene, network):
    network.let.set()
    for threads, at_once in ((1, 1), (2, 2), (16, 2)):
        with looking(*scene, with_threads(threads)) as look:
            look()
        assert network.at_once == at_once


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_what_ends_the_caller_ends_the_look(scene, network, kind):
    def fail():
        with looking(*scene, with_threads(2)):
            assert network.begun.wait(30)
            threading.Timer(0.05, network.let.set).start()
            raise kind("no more")

    with pytest.raises(kind, match="no more"):
        fail()
    assert network.stops == [True]
    assert threads_at_work() == []


def test_a_look_that_breaks_is_told_where_it_is_asked_for(scene, monkeypatch):
    def broken():
        raise MemoryError("no more memory")

    monkeypatch.setattr(unet_look, "shipped", broken)
    with pytest.raises(MemoryError, match="no more memory"), looking(*scene, with_threads(2)) as look:
        look()
    assert threads_at_work() == []


@pytest.mark.parametrize("threads", [1, 2])
def test_a_refused_network_is_a_remark(scene, monkeypatch, threads):
    def refused():
        raise ModelRefused("unet: its files are gone")

    monkeypatch.setattr(unet_look, "shipped", refused)
    with looking(*scene, with_threads(threads)) as look:
        assert look() == Look(remarks=("unet: its files are gone.", "No U-Net took part."))


@pytest.mark.parametrize("threads", [1, 2])
def test_switched_off_nobody_looks(scene, network, threads):
    with looking(*scene, with_threads(threads, detect={"unet": False})) as look:
        assert look() == Look()
    assert not network.begun.is_set()


@pytest.mark.parametrize("threads", [1, 2])
def test_what_was_seen_is_kept_by_nobody_else(scene, network, threads):
    network.let.set()
    with looking(*scene, with_threads(threads)) as look:
        look()
        gc.collect()
        assert not [each for each in gc.get_objects() if isinstance(each, LogOdds)]

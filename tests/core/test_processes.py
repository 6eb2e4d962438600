"""Processes are known by when they began, and those that are spawned outlive their terminal."""

import os
import signal
import subprocess
import sys
import time

import pytest

from core.operations import processes
from core.operations.processes import is_alive, is_elsewhere, is_gone, is_surely_alive, mark_of, spawn

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper():
    with subprocess.Popen(SLEEPER) as child:
        yield child
        child.kill()


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def test_a_process_keeps_its_mark_and_no_other_has_it(sleeper):
    assert mark_of(sleeper.pid) == mark_of(sleeper.pid)
    assert mark_of(sleeper.pid) != mark_of(os.getpid())


def test_a_later_process_of_the_same_id_is_another(sleeper):
    mark = mark_of(sleeper.pid)
    assert is_alive(sleeper.pid, mark)
    assert is_alive(sleeper.pid)
    assert not is_alive(sleeper.pid, "what a process of before the reboot had")


def test_a_process_that_ended_is_gone_even_while_nobody_waited_for_it(sleeper):
    mark = mark_of(sleeper.pid)
    sleeper.kill()
    until(lambda: mark_of(sleeper.pid) is None)  # a zombie
    assert sleeper.returncode is None
    assert not is_alive(sleeper.pid, mark)
    sleeper.wait()
    assert mark_of(sleeper.pid) is None
    assert not is_alive(sleeper.pid)


@pytest.mark.parametrize("pid", [0, -1])
def test_what_means_a_group_to_the_kernel_is_no_process(pid):
    assert mark_of(pid) is None
    assert not is_alive(pid)


def test_the_name_of_a_program_cannot_forge_its_mark(tmp_path):
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, *SLEEPER[1:]]) as child:
        assert is_alive(child.pid, mark_of(child.pid))
        child.kill()


def test_without_proc_a_process_has_a_mark_too(sleeper, monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "PROC", tmp_path)
    mark = mark_of(sleeper.pid)
    assert mark
    assert is_alive(sleeper.pid, mark)
    sleeper.kill()
    until(lambda: mark_of(sleeper.pid) is None)


def test_a_spawned_process_is_deaf_to_hang_ups_and_leads_a_session(tmp_path):
    log = tmp_path / "logs" / "it.log"
    says = (
        "import os, signal, sys; print(os.getsid(0) == os.getpid(), signal.getsignal(signal.SIGHUP).name,"
        " sys.stdin.read() == '', flush=True); print('also this', file=sys.stderr)"
    )
    pid = spawn([sys.executable, "-c", says], log)
    until(lambda: not is_alive(pid))
    assert log.read_text().splitlines() == ["True SIG_IGN True", "also this"]


def test_a_spawned_process_that_ends_leaves_no_zombie(tmp_path):
    pid = spawn([sys.executable, "-c", "pass"], tmp_path / "it.log")
    until(lambda: not _exists(pid))


def test_logs_grow(tmp_path):
    log = tmp_path / "it.log"
    for number in (1, 2):
        pid = spawn([sys.executable, "-c", f"print({number})"], log)
        until(lambda pid=pid: not is_alive(pid))
    assert log.read_text() == "1\n2\n"


def test_a_spawned_process_outlives_a_hang_up(tmp_path):
    log = tmp_path / "it.log"
    pid = spawn([sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"], log)
    mark = mark_of(pid)
    until(lambda: log.read_text() == "ready\n")
    os.kill(pid, signal.SIGHUP)
    time.sleep(0.2)
    assert is_alive(pid, mark)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid, mark))


def _exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


ANOTHER = "00000000-0000-4000-8000-000000000000:1"


@pytest.mark.skipif(not processes.PROC.exists(), reason="only on Linux a mark tells of a boot")
def test_a_machine_of_the_same_name_is_another_if_it_spoke_since_this_one_began(monkeypatch):
    monkeypatch.setattr(time, "clock_gettime", lambda _: 500.0)
    pid = os.getpid()  # which here is another process
    assert is_elsewhere(ANOTHER, 499.0)
    assert not is_gone(pid, ANOTHER, 499.0)
    assert not is_elsewhere(ANOTHER, 501.0)  # this one, before it was begun anew
    assert is_gone(pid, ANOTHER, 501.0)
    assert not is_gone(pid, mark_of(pid), 501.0)


@pytest.mark.skipif(not processes.PROC.exists(), reason="only on Linux there are containers")
def test_what_another_container_of_the_same_name_did_lately_is_not_gone():
    pid = os.getpid()
    boot, tick, *container = (mark_of(pid) or "").split(":")
    other = f"{boot}:{tick}:4026539999"
    assert not is_gone(pid, other, 179.0)
    assert is_gone(pid, other, 181.0)
    assert is_gone(
        pid, f"{boot}:0{''.join(f':{each}' for each in container)}", 1.0
    )  # of this very one, but another process


@pytest.mark.skipif(not processes.PROC.exists(), reason="only on Linux there are containers")
def test_a_mark_that_an_earlier_version_wrote_in_a_container_is_of_the_same_process(monkeypatch):
    boot, tick, *_ = (mark_of(os.getpid()) or "").split(":")
    monkeypatch.setattr(processes, "mark_of", lambda _: f"{boot}:{tick}:4026539999")
    assert is_alive(os.getpid(), f"{boot}:{tick}")
    assert is_surely_alive(os.getpid(), f"{boot}:{tick}")
    assert not is_alive(os.getpid(), f"{boot}:{tick}0")


@pytest.mark.skipif(not processes.PROC.exists(), reason="only on Linux there are containers")
def test_a_process_in_a_container_says_so_in_its_mark():
    code = "import os; from core.operations.processes import mark_of; print(mark_of(os.getpid()))"
    unshared = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    try:
        mark = subprocess.run(unshared, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no namespace can be made here")
    assert is_elsewhere(mark, 1.0)

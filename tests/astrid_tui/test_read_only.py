"""`--read-only` before any command: what would change something is refused, what reads is not."""

from collections.abc import Iterator

import pytest
import typer
from sqlmodel import col, func, select

from astrid_tui.cli.app import app
from core.database.store import Store
from core.database.tables import Verdict
from tests.astrid_tui.command import Command
from tests.core.rows import add_candidate

WRITES = {
    "demo": ("x",),
    "init": (),
    "ingest": (".",),
    "watch": (".", "--once"),
    "run": (),
    "worker": (),
    "deploy": ("--every", 60),
    "health ack": (1,),
    "queue retry": (1,),
    "queue drop": (1,),
    "queue priority": (1, "--to", 2),
    "reference add": ("a.fits",),
    "reference build": ("a.fits",),
    "reference retire": (1,),
    "runs cancel": (1,),
    "prefect start": (),
    "prefect stop": (),
    "candidates label": (1, "real"),
    "candidates undo": (),
    "candidates redo": (),
    "candidates note": (1, "words"),
    "candidates assign": (1, "eve"),
    "candidates filters": ("--save", "x", "snr>7"),
    "objects forced": (1,),
    "objects tracklets": (),
    "catalog add": ("pyproject.toml",),
    "catalog remove": ("x",),
    "catalog match": (),
    "catalog zeropoints": (),
    "models promote": ("tree", 1),
    "models rollback": ("tree",),
    "models sync": (),
    "models rescore": (),
    "models stop": ("last",),
    "models import": ("a.onnx", "--input", "features", "--gives", "probability"),
    "models retrain": (),
    "models train unet": (),
    "models train realbogus": (),
    "models train tree": (),
    "models train outliers": (),
    "models train ensemble": (),
    "db upgrade": (),
    "db restore": ("a.onnx",),
    "db prune": (),
}
# What the console, a file that was named or the standard output is all that these change.
READS = {
    "simulate", "doctor", "status", "keys", "power", "diff", "review", "show", "chart", "why", "forced",
    "health check", "health list", "queue list", "queue show", "reference list", "reference show",
    "runs list", "runs show", "runs log", "prefect status", "candidates search",
    "candidates list", "candidates show",
    "candidates export", "candidates stats", "candidates experts", "candidates disagreements",
    "candidates tns", "candidates mpc", "candidates fakes", "objects list", "objects show",
    "objects lightcurve", "catalog list", "catalog near", "models list", "models card",
    "serve", "models trainings", "models evaluate", "models examples", "models score", "models drift",
    "db check", "db backup",
}  # fmt: skip


@pytest.fixture
def astrid(tmp_path, sqlite_store, monkeypatch, capsys) -> Command:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{tmp_path}/astrid.db")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.onnx").write_bytes(b"x")
    (tmp_path / "pyproject.toml").write_bytes(b"x")
    return Command(monkeypatch, capsys.readouterr)


def commands(command: object, name: str = "") -> Iterator[str]:
    """The names of all commands below one."""
    if isinstance(command, typer.core.TyperGroup):
        for word, below in command.commands.items():
            yield from commands(below, f"{name} {word}".strip())
    else:
        yield name


def test_every_command_is_known_to_read_or_to_write():
    assert set(commands(typer.main.get_command(app))) == READS | set(WRITES)


def test_commands_that_write_are_refused_in_one_sentence_and_write_nothing(
    astrid: Command, sqlite_store: Store, tmp_path
) -> None:
    add_candidate(sqlite_store)
    for name, words in WRITES.items():
        astrid("--read-only", *name.split(), *words, code=2)
        assert astrid.said == f"astrid: --read-only: `astrid {name}` writes, so nothing was done\n"
    with sqlite_store.read() as db:
        assert db.scalar(select(func.count()).select_from(Verdict)) == 0
    assert not (tmp_path / "home").exists()


def test_commands_that_read_work(astrid: Command, sqlite_store: Store) -> None:
    candidate = add_candidate(sqlite_store)
    assert f'"id": {candidate}' in astrid("--read-only", "candidates", "list", "--json")
    for words in (
        ("candidates", "filters"),
        ("health", "list"),
        ("models", "list"),
        ("models", "card", "tree"),
    ):
        astrid("--read-only", *words)
    astrid("candidates", "label", candidate, "real")
    with sqlite_store.read() as db:
        assert db.scalar(select(col(Verdict.label))) == "real"


def test_what_was_refused_is_told_to_scripts_in_json(astrid: Command) -> None:
    told = astrid.json("--read-only", "catalog", "remove", "gaia", code=2)
    assert told["exit_code"] == 2
    assert "writes, so nothing was done" in told["error"]
    assert "writes, so nothing was done" in astrid.said

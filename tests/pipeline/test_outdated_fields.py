"""Fields that are kept from training to training go once nothing could learn from them any more."""

import os

import pytest

from core.database.store import open_store
from core.models import versions
from core.settings import Settings, load
from core.settings_sections import DetectSettings
from pipeline.classify.shipped import SHIPPED
from pipeline.training import label_fields
from pipeline.training.detected import kept_as
from pipeline.training.examples import write
from pipeline.training.fields import VERSION, told_by
from pipeline.training.label_fields import LabelFields
from pipeline.training.outdated import remove_outdated
from tests.astrid_tui.command import Command
from tests.pipeline.toy_models import blobs

KEEN = Settings.model_construct(detect=DetectSettings(threshold=4.0))
OLD, GONE, HERE, SHIPPED_UNET = VERSION - 1, "ab" * 32, "cd" * 32, SHIPPED["unet"].digest
USABLE = (
    f"examples/{kept_as(SHIPPED_UNET)}512-2000000-20.npz",
    f"examples/{kept_as(HERE)}512-2000000-20.npz",
    f"examples/{kept_as(None)}512-2000000-20.npz",
    f"examples/{kept_as(HERE, KEEN)}512-2000000-20.npz",
    f"examples/scored/{kept_as(HERE)}512-3001000000.npz",
    f"examples/scored/{kept_as(HERE)}512-3001000000.npy",
    f"training/fields-512/field-{VERSION}-512-0000001.npz",
    f"training/fields-512/field-{told_by(KEEN)}-{VERSION}-512-0000001.npz",
    f"training/fields-512/frames-0123456789ab-{VERSION}-512-0000001.npz",
)
OTHERS = (
    "examples/seen-by-me.npz", "examples/mine.npz", "examples/seen-notes.txt",
    "training/unet-8-1.safetensors",
    f"examples/mine/seen-{OLD}-512-2000000-20.npz", f"training/field-{OLD}-512-0000001.npz",
)  # fmt: skip
USELESS = (
    f"examples/seen-{OLD}-{HERE[:12]}-512-2000000-20.npz",
    f"examples/fields-{VERSION}-512-2000000-20.npz",
    f"examples/told-{VERSION}-{HERE[:12]}-512-2000000-20.npz",
    f"examples/scored/scored-{HERE[:12]}-512-3001000000.npz",
    f"examples/scored/scored-{VERSION}-{HERE[:12]}-512-3001000000.npy",
    f"training/fields-512/field-{OLD}-512-0000001.npz",
    f"training/fields-512/field-{told_by(KEEN)}-{OLD}-512-0000001.npz",
    f"training/fields-256/frames-0123456789ab-{OLD}-256-0000001.npz",
)
OF_ANOTHER_UNET = (
    f"examples/{kept_as(GONE)}512-2000000-20.npz",
    f"examples/{kept_as(GONE, KEEN)}512-2000000-20.npz",
    f"examples/scored/{kept_as(GONE)}512-3001000000.npz",
    f"examples/scored/{kept_as(GONE)}512-3001000000.npy",
)
ALL = (*USABLE, *OTHERS, *USELESS, *OF_ANOTHER_UNET)


@pytest.fixture
def home(tmp_path):
    for name in ALL:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 1000)
    return tmp_path


def there(home):
    return {name for name in ALL if (home / name).exists()}


@pytest.mark.parametrize(("networks", "gone"), [({SHIPPED_UNET, HERE}, OF_ANOTHER_UNET), (None, ())])
def test_what_nothing_could_learn_from_goes_and_nothing_else(home, networks, gone):
    assert remove_outdated(home, networks) == 1000 * (len(USELESS) + len(gone))
    assert there(home) == set(ALL) - set(USELESS) - set(gone)
    assert remove_outdated(home, networks) == 0


def test_windows_that_a_stopped_training_began_with_stay_as_long_as_it_can_go_on(tmp_path):
    folder = tmp_path / "training" / "labels"
    folder.mkdir(parents=True)
    learnt, judging, other = (folder / f"label-1-{name}-0.npz" for name in "abc")
    for path in (learnt, judging, other):
        path.write_bytes(b"x" * 1000)
        os.utime(path, (0.0, 0.0))
    begun = tmp_path / "training" / "unet-8-1-400x512-simulated-labels.json"
    label_fields.keep(LabelFields((learnt,), (judging,), (), (), {"learnt": 1}), begun)
    begun.with_suffix(".safetensors").touch()
    assert remove_outdated(tmp_path, None) == 1000
    assert [learnt.exists(), judging.exists(), other.exists()] == [True, True, False]
    begun.with_suffix(".safetensors").unlink()
    assert remove_outdated(tmp_path, None) == 2000


def test_a_training_removes_it_and_tells_how_much_it_was(home, sqlite_store, monkeypatch, capsys):
    monkeypatch.setenv("ASTRID_HOME", str(home))
    monkeypatch.setenv("ASTRID_STORE__URL", f"sqlite:///{sqlite_store.url}")
    write(blobs(200), home / "set.npz")
    store = open_store(load().store_url)
    versions.add(store, name="unet", digest=HERE, origin="import", created_by="", description={})
    store.close()
    astrid = Command(monkeypatch, capsys.readouterr)
    astrid("models", "train", "tree", "--examples", home / "set.npz", "--no-labels", "--no-sync")
    assert "11.7 KiB of kept fields were removed" in astrid.said
    assert there(home) == {*USABLE, *OTHERS}
    astrid("models", "train", "tree", "--examples", home / "set.npz", "--no-labels", "--no-sync")
    assert "removed" not in astrid.said

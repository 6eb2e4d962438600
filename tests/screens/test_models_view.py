"""The models screen's page: nothing registered, a registry that cannot be read, and many versions."""

import pytest

from core.database.store import Store
from core.models.registry import Model, ModelVersion, Registry
from core.review.judged import Judged, judged
from core.vocabulary import ReviewState
from screens.lines import plain
from screens.models.view import Page, Pane, number, page_lines, version_sheet
from tests.core.rows import add_object

HOSTILE = "\x1b]0;x\x07[/red] [bold]\u202e"


def version(n: int = 1, **changes) -> ModelVersion:
    values = {"created_at": 1.8e9, "status": "READY", "source": "s", "run_id": "r", "description": "d"}
    return ModelVersion(number=n, **(values | changes))


def page(*models: Model, trouble: str | None = None, **changes) -> Page:
    return Page(Registry("/home/mlflow.db", models, trouble), Judged(12, 1), **changes)


def text(of: Page, width: int = 80, height: int = 21) -> str:
    return "\n".join(plain(line) for line in page_lines(of, width, height))


def test_one_true_line_while_nothing_is_registered():
    shown = text(page())
    assert "No model is registered" in shown
    assert "12 objects judged real and 1 bogus" in shown


def test_a_registry_that_cannot_be_read_says_why():
    assert "of a version of MLflow" in text(page(trouble="the registry is of a version of MLflow that …"))


def test_models_and_the_versions_of_the_chosen_one():
    used = version(3, aliases=("champion",), metrics={"auc": 0.98765, "ece": None})
    pending = version(4, status="PENDING_REGISTRATION")
    shown = text(
        page(Model("forest", "", None), Model("realbogus", "CNN", 1.8e9, (pending, used)), model_place=1)
    )
    lines = shown.splitlines()
    assert "   forest" in lines[1]
    assert "none in use" in lines[1]
    assert lines[2].startswith(" > realbogus")
    assert "version 3 in use  of 2 versions" in lines[2]
    assert "Versions of realbogus" in shown
    assert "4  2027-01-15 08:00  PENDING_REGISTRATION" in shown
    assert "3  2027-01-15 08:00  champion auc 0.9877  ece not a number" in shown


@pytest.mark.parametrize("size", [(40, 7), (80, 21), (200, 47)])
@pytest.mark.parametrize("pane", Pane)
def test_the_page_keeps_within_its_size_and_shows_the_cursor(size, pane):
    width, height = size
    versions = tuple(
        version(n, aliases=(HOSTILE,), metrics={HOSTILE * 9: 1.0}, status=HOSTILE) for n in range(300, 0, -1)
    )
    models = [Model(f"{HOSTILE}{n}" * 9, HOSTILE * 9, None, versions) for n in range(60)]
    lines = page_lines(page(*models, pane=pane, model_place=30, version_place=150), width, height)
    assert len(lines) <= height
    assert all(len(plain(line)) <= width for line in lines)
    assert sum(plain(line).startswith(" > ") for line in lines) == 1
    shown = "".join(plain(line) for line in lines)
    assert min(shown) >= " "
    assert "\u202e" not in shown


def test_everything_about_a_version():
    chosen = version(2, tags={"sha256": "ab"}, metrics={"auc": 0.5}, description="trained " + HOSTILE)
    shown = "\n".join(plain(line) for line in version_sheet(Model("m", "", None, (chosen,)), chosen, 70))
    for said in ("2 of m", "sha256  ab", "auc  0.5", "trained", "aliases     none"):
        assert said in shown
    assert "\x1b" not in shown


def test_metrics_are_told_to_four_digits():
    assert [number(value) for value in (0.123456, 1e-9, 12345.6, None)] == [
        "0.1235", "1e-09", "1.235e+04", "not a number",
    ]  # fmt: skip


def test_what_was_judged_is_counted(store: Store):
    for state in (ReviewState.REAL, ReviewState.BOGUS, ReviewState.BOGUS, ReviewState.SNOOZED):
        add_object(store, review_state=state.value)
    assert judged(store) == Judged(real=1, bogus=2)

"""README and docs say what is so: links, commands, filters, and numbers that stand in two places."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import typer

from astrid_tui.cli.app import app
from core.frames import frame_filters
from core.health.check import State
from core.review.filter_help import NAMES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MEASURED = "docs/measured.md"
WHERE = "missed where 1 % of the bogus is kept"
OFF_STARS = "of SNR 10 and more, off stars"
REAL = "simulated_and_real_pixels"


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def command_lines(text: str) -> Iterator[str]:
    flat = re.sub(r"\s*\n\s*", " ", text)
    for each in [*re.findall(r"`([^`]*)`", flat), *re.findall(r"^ {4}(.*)$", text, re.MULTILINE)]:
        for part in each.partition("#")[0].split(";"):
            if called := re.match(r"\s*(?:\S+=\S+ )*astrid ([a-z].*)", part):
                yield re.sub(r'"[^"]*"', "TEXT", called[1])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_commands_that_are_told_are_there_with_their_options(document: Path) -> None:
    lines, whole = list(command_lines(document.read_text(encoding="utf-8"))), typer.main.get_command(app)
    assert lines or document.name in ("measured.md", "tried.md")
    for line in lines:
        command, words = whole, line.split()
        while words and isinstance(command, typer.core.TyperGroup):
            name = words.pop(0).partition("|")[0]
            assert name in command.commands, line
            command = command.commands[name]
        options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        told = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert told <= {*options, "--help"}, line


def test_usage_names_what_is_given_in_capitals_and_brackets_it_once() -> None:
    def usages(
        command: typer.core.TyperCommand | typer.core.TyperGroup,
        name: str,
        parent: typer.Context | None = None,
    ) -> Iterator[str]:
        context = typer.Context(command, parent=parent, info_name=name, **command.context_settings)
        yield command.get_usage(context)
        for word, each in getattr(command, "commands", {}).items():
            yield from usages(each, word, context)

    for usage in usages(typer.main.get_command(app), "astrid"):
        assert re.search(r"\[\[|[\[{][a-z]", usage) is None, usage


def terms(section: str) -> set[str]:
    """The first column of a table of `docs/filters.md`."""
    table = text_of("docs/filters.md").partition(f"## {section}")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*(?:\\\|[^|]*)*) \|", table, re.MULTILINE)
    return {name.replace("\\", "") for row in rows for name in re.findall(r"`([^`]*)`", row)}


def test_every_term_of_a_filter_is_told() -> None:
    assert terms("Of candidates and objects") == set(NAMES)
    assert terms("Of frames") == {
        *frame_filters.WORDS, *frame_filters.NUMBERS, *frame_filters.EXACT, *frame_filters.PATTERNS
    }  # fmt: skip


def test_every_state_of_a_check_is_told() -> None:
    told = text_of("docs/json.md").partition("## `astrid doctor`")[2].partition("\n## ")[0]
    assert {state for state in get_args(State) if f"`{state}`" not in told} == set()


def row(text: str, beginning: str) -> list[str]:
    """The cells of the first row of a table that begins so, without the first one."""
    (found, *_) = re.findall(rf"^\| {re.escape(beginning)} \|(.*)\|$", text, re.MULTILINE)
    return [cell.strip() for cell in found.split("|")]


def interval(measured: dict[str, float]) -> str:
    value, low, high = (f"{100 * measured[name]:.1f}" for name in ("value", "low", "high"))
    return re.sub(r"\b0\.", ".", f"{value} ({low} to {high})")


@pytest.mark.parametrize(
    ("document", "section", "beginning", "fields", "quantity"),
    [
        ("README.md", "", WHERE, "simulated", "missed_at_1_percent_fpr"),
        ("README.md", "", OFF_STARS, "simulated", "missed_off_stars_snr_10"),
        ("README.md", "", "the same, real frames included", REAL, "missed_off_stars_snr_10"),
        ("README.md", "", "calibration error, real frames included", REAL, "calibration_error"),
        (MEASURED, "On simulated fields", WHERE, "simulated", "missed_at_1_percent_fpr"),
        (MEASURED, "On simulated fields", OFF_STARS, "simulated", "missed_off_stars_snr_10"),
        (MEASURED, "On simulated fields", "calibration error", "simulated", "calibration_error"),
        (MEASURED, "With the real frames", "missed", REAL, "missed_at_1_percent_fpr"),
        (MEASURED, "With the real frames", OFF_STARS, REAL, "missed_off_stars_snr_10"),
        (MEASURED, "With the real frames", "calibration error", REAL, "calibration_error"),
    ],
)
def test_what_models_are_worth_is_what_their_cards_say(
    document: str, section: str, beginning: str, fields: str, quantity: str
) -> None:
    text = text_of(document).partition(f"### {section}\n" if section else "# AstrID\n")[2]
    cards = json.loads((ROOT / "pipeline" / "classify" / "shipped" / "judged.json").read_text())
    told = [cell.removesuffix(", missed") for cell in row(text, beginning)]
    for place, name in enumerate(("tree", "realbogus", "unet", "ensemble"), start=-5):
        assert told[place] == interval(cards[name]["second_generator"][fields][quantity])


def test_the_subtraction_is_worth_the_same_in_both_documents() -> None:
    full = text_of(MEASURED)
    scenarios = re.findall(r"^\| (\w+) \| [01]\.\d{3} \|", text_of("README.md"), re.MULTILINE)
    assert len(scenarios) == 9
    for scenario in scenarios:
        sigma, false, after, share, bias, scatter = row(text_of("README.md"), scenario)
        told = row(full, scenario)
        assert (sigma, false, after, bias, scatter) == (*told[:3], *told[6:8])
        assert told[3].startswith(f"{share} (")
    worst = {
        "χ² at bright stars": (5, min),
        "scatter of fluxes of SNR 20 and more in their own errors": (8, max),
        "flux bias": (6, min),
    }
    for goal, (column, extreme) in worst.items():
        values = [row(full, scenario)[column] for scenario in scenarios]
        told = re.sub(r"^0\.", ".", extreme(values, key=float))
        assert row(text_of("README.md"), goal)[0].startswith(told)

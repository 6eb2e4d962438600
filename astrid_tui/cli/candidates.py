"""`astrid candidates`: the review queue for scripts, and for a terminal without the console."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.candidates_labels import TagOption, label, remarked
from astrid_tui.cli.candidates_search import search
from astrid_tui.cli.completion import candidate_numbers, candidate_orders, candidate_words, export_formats
from astrid_tui.cli.curves import number
from astrid_tui.cli.invocation import (
    FilterOption,
    JsonOption,
    blind_to,
    expanded_filter,
    person_of,
    print_json,
    print_table,
    print_text,
    remark,
    session_of,
    settings_of,
    storable,
    store_of,
)
from astrid_tui.cli.output_files import (
    STANDARD_OUTPUT,
    ForceOption,
    check_output,
    output_bytes,
    output_stream,
)
from astrid_tui.cli.past import past_words
from astrid_tui.cli.places import candidate_given
from astrid_tui.cli.reviewing import register
from core.text import counted
from core.vocabulary import OWN, mask_words

if TYPE_CHECKING:
    from core.review.real_rows import RealCandidate

app = typer.Typer(help="List, judge and export candidates.", rich_markup_mode=None, no_args_is_help=True)

app.command()(search)

# What gives way in a narrow terminal, the first one first: names of our objects hold their places.
LEAST = (("x", "y"), ("tracklet",), ("ra", "dec"), ("filter",), ("mag",), ("verdict",), ("frame",))
WHY_LEFT_OUT = {
    "regions": "they have no place on the sky, and are not all of one frame or reference: choose by --filter",
    "fits": "no cutouts of theirs are kept that can be read",
}
PLACES = {"ra": 6, "dec": 6, "mjd": 5}  # where six figures are too few


@app.command(name="list")
def list_(
    context: typer.Context,
    order: Annotated[
        str,
        typer.Option(
            autocompletion=candidate_orders,
            help="score, snr, significance, mag, mjd or id; with - before it, descending.",
        ),
    ] = "-score",
    filters: FilterOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Candidates on the page.")] = 50,
    after: Annotated[str | None, typer.Option(help="The cursor that the page before ended with.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List candidates, in the order of their scores unless another is asked for."""
    from core.review.candidates import page

    store = store_of(context, read_only=True)
    terms = expanded_filter(context, store, filters)
    found = page(store, order=order, filters=terms, limit=limit, after=after, blind_to=blind_to(context))
    if as_json:
        print_json(list(found.rows))
        if found.next:
            remark(f"more: --after {found.next}")
        return
    if not found.rows:
        print_text("No candidates.")
        return
    headings = (
        "id", "object", "frame", "ra", "dec", "x", "y", "filter", "snr", "mag", "score", "verdict",
        "tracklet",
    )  # fmt: skip
    rows = [
        (r["id"], r["object"], _origin(r), _degrees(r["ra"], ".5f"), _degrees(r["dec"], "+.5f"),
         number(r["x"], 1), number(r["y"], 1), r["filter"],
         number(r["snr"], 1), number(r["mag"], 2), number(r["score"], 3),
         r["verdict"], r["tracklet"])
        for r in found.rows
    ]  # fmt: skip
    print_table(headings, rows, least=LEAST)
    if found.next:
        print_text(f"more: --after {found.next}")


def _origin(record: dict[str, Any]) -> str:
    """The frame of one of ours; of an alert the survey, for its file's name tells a person little."""
    source: str = record["source"]
    return record["frame"] or source if source == OWN else source


def _degrees(value: float | None, form: str) -> str | None:
    return None if value is None else format(value, form)


@app.command()
def show(
    context: typer.Context,
    candidate: Annotated[
        str,
        typer.Argument(
            metavar="CANDIDATE",
            autocompletion=candidate_words,
            help="The candidate's id, or its object's name: the newest.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of one candidate."""
    from core.objects.reference_light import told
    from core.review.candidates import show as read_candidate

    store = store_of(context, read_only=True)
    detail = read_candidate(store, candidate_given(store, candidate), blind_to=blind_to(context))
    if as_json:
        print_json(detail)
        return
    for key, value in detail.items():
        if key == "known":
            _print_known(value)
        elif key == "mask_flags" and value:
            print_text(f"{key:18} {value}: {mask_words(value)}")
        elif key == "in_references" and value:
            print_text(f"{key:18} {told(value)}")
        elif isinstance(value, dict):
            print_text(f"{key}:")
            for name, inner in value.items():
                print_text(f"  {name:24} {_plain(inner, name)}")
        elif isinstance(value, list) and value:
            print_text(f"{key}: {len(value)}")
            for inner in value:
                print_text(f"  {past_words(inner) if key == 'verdicts' else _plain(inner)}")
        else:
            print_text(f"{key:18} {_plain(value or None if isinstance(value, list) else value, key)}")


app.command()(label)


@app.command()
def undo(
    context: typer.Context,
    reviewer: Annotated[
        str | None,
        typer.Option(help="Whose last verdict to take back; default: the settings, then the login name."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take the reviewer's last standing verdict back; the record keeps both."""
    from core.review.retractions import label_of
    from core.review.retractions import undo as take_back

    who, store = person_of(context, reviewer), store_of(context)
    row = take_back(store, session=session_of(who), reviewer=who)
    label = label_of(store, row.retracts_id) if row else None
    if as_json:
        print_json(
            {
                "retracted": row.retracts_id if row else None,
                "candidate": row.candidate_id if row else None,
                "label": label,
            }
        )
    elif row is None:
        print_text(f"{who} has no verdict to take back.")
    else:
        print_text(
            f"{label} on candidate {row.candidate_id} is taken back; astrid candidates redo gives it again"
        )


@app.command()
def redo(
    context: typer.Context,
    reviewer: Annotated[
        str | None,
        typer.Option(help="Whose verdict to give again; default: the settings, then the login name."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give the verdict again that the last undo took back; until a new verdict is given."""
    from core.review.fakes import revealed, told
    from core.review.retractions import objects_of_step
    from core.review.retractions import redo as give_again

    who = person_of(context, reviewer)
    store = store_of(context)
    row = give_again(store, session=session_of(who), reviewer=who)
    if as_json:
        print_json(
            {
                "verdict": row.id if row else None,
                "candidate": row.candidate_id if row else None,
                "label": row.label if row else None,
            }
        )
    elif row is None:
        print_text(f"{who} has no verdict to give again.")
    else:
        print_text(f"Candidate {row.candidate_id} is {row.label} again.")
        objects = objects_of_step(store, row)
        if truth := told(revealed(store, objects).values(), len(objects)):
            print_text(truth)


@app.command()
def note(
    context: typer.Context,
    candidate: Annotated[
        int,
        typer.Argument(
            metavar="CANDIDATE",
            callback=storable,
            autocompletion=candidate_numbers,
            help="The candidate's id.",
        ),
    ],
    words: Annotated[str, typer.Argument(metavar="WORDS", help="The note; its #words are tags.")] = "",
    tag: TagOption = None,
    reviewer: Annotated[
        str | None, typer.Option(help="Who notes; default: the settings, then the login name.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a note or tags on a candidate without a verdict; it is on disk when this returns."""
    from core.review.verdicts import annotate

    who, said = person_of(context, reviewer), remarked(words, tag)
    if not said.note and not said.tags:
        raise typer.BadParameter("a note needs words or tags", param_hint="WORDS")
    row = annotate(
        store_of(context),
        session=session_of(who),
        reviewer=who,
        candidate_id=candidate,
        note=said.note,
        tags=said.tags,
    )
    if as_json:
        print_json(
            {"note": row.note, "tags": list(row.tags), "candidate": row.candidate_id, "hash": row.hash}
        )
    else:
        print_text(f"The note on candidate {row.candidate_id} is kept.")


@app.command()
def export(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file; default: standard output, for text alone.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            autocompletion=export_formats,
            help="csv, jsonl, parquet, votable, ecsv, regions (DS9) or fits (cutouts); default: by the "
            "file's name (.csv .jsonl .parquet .vot .ecsv .reg .fits), csv on standard output.",
        ),
    ] = None,
    filters: FilterOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Export candidates with their verdicts, and the heads of the verdict chains on standard error.

    FITS begins with a table; cutouts have a tangent plane of the sky at the candidate, and the times of
    their frame. VOTables say of each column what it is, of positions that they are ICRS, of times that they
    are MJD in UTC.

    Where sources were injected into the queue, only judged candidates are exported. A file that is there
    already is left alone unless --force is given. With --json, which needs a file, it is told what was
    written to it, and the heads.
    """
    from dataclasses import asdict

    from core.review.chain import session_heads
    from core.review.export import write_csv, write_json_lines
    from core.review.export_cutouts import write_cutouts
    from core.review.export_files import write_ecsv, write_parquet, write_regions, write_votable
    from core.review.fakes import are_injected
    from core.review.real_rows import real_candidates

    output = None if output == STANDARD_OUTPUT else output
    as_text = {
        "csv": write_csv,
        "jsonl": write_json_lines,
        "ecsv": write_ecsv,
        "regions": write_regions,
    }
    store = store_of(context, read_only=True)
    as_bytes: dict[str, Callable[..., int]] = {
        "parquet": write_parquet,
        "votable": write_votable,
        "fits": partial(write_cutouts, store=store),
    }
    form = form or _form_of(output)
    if form not in {*as_text, *as_bytes}:
        raise typer.BadParameter(
            f"'{form}' is not one of {', '.join((*as_text, *as_bytes))}", param_hint="--format"
        )
    if form in as_bytes and output is None:
        raise typer.BadParameter(f"{form} is no text for a terminal: name a file", param_hint="--output")
    if as_json and output is None:
        raise typer.BadParameter("--json tells of an export to a file: name one", param_hint="--output")
    check_output(output, force=force, text=form not in as_bytes)
    seen = 0

    def passed_on() -> Iterator["RealCandidate"]:
        nonlocal seen
        for seen, row in enumerate(real_candidates(store, filters=terms, experts=experts), start=1):  # noqa: B007
            yield row

    terms, experts = expanded_filter(context, store, filters), settings_of(context).review.experts
    found = passed_on()
    if form in as_bytes and output is not None:
        with output_bytes(output) as binary:
            count = as_bytes[form](found, binary)
    else:
        with output_stream(output) as stream:
            count = as_text[form](found, stream)
    heads = session_heads(store)
    if as_json:
        print_json(
            {
                "file": str(output),
                "format": form,
                "candidates": count,
                "left_out": seen - count,
                "judged_only": are_injected(store),
                "chains": [asdict(head) for head in heads],
            }
        )
        return
    if are_injected(store):
        remark("sources were injected into the queue: candidates without a verdict are left out")
    remark(f"{counted(count, 'candidate')} exported")
    if count < seen:
        remark(f"{seen - count} of {seen} are left out: {WHY_LEFT_OUT[form]}")
    for head in heads:
        remark(f"verdict chain {head.session}: {counted(head.sequence, 'row')}, head {head.hash}")


def _form_of(output: Path | None) -> str:
    """The format that a file's name ends in; CSV where there is no file."""
    from core.review.export import FORMS

    if output is None or (output.exists() and not output.is_file()):  # a device or a pipe has no such name
        return "csv"
    if output.suffix.lower() not in FORMS:
        raise typer.BadParameter(
            f"'{output.name}' ends in none of {' '.join(FORMS)}: name its format", param_hint="--format"
        )
    return FORMS[output.suffix.lower()]


def _print_known(known: dict[str, Any] | None) -> None:
    from core.objects.known import known_lines

    if known is None:
        print_text("known sky          not looked up: `astrid catalog match` does it")
        return
    print_text("known sky:")
    for kind, sentence in known_lines(known):
        print_text(f"  {kind:24} {sentence}")


def _plain(value: Any, key: str = "") -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{name} {_plain(inner, name)}" for name, inner in value.items() if inner is not None
        )
    if isinstance(value, float):
        return f"{value:.{PLACES[key]}f}" if key in PLACES else f"{value:.6g}"
    return "-" if value is None else str(value)


register(app)

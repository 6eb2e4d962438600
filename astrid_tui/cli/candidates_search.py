"""`astrid candidates search`: more of a kind, by a few examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    expanded_filter,
    is_read_only,
    person_of,
    print_json,
    print_json_line,
    print_table,
    print_text,
    progress_bar,
    remark,
    settings_of,
    storable,
    store_of,
)

if TYPE_CHECKING:
    from core.review.alike import Alike

FEW = 3  # examples
LISTED = 10  # so that each look is led by the answers before it: of 20 a time less is found


def search(
    context: typer.Context,
    tag: Annotated[
        str | None,
        typer.Option(
            help="What reviewers tagged so, or judged by that word, is an example; others judged real or "
            "bogus are none."
        ),
    ] = None,
    like: Annotated[
        list[int] | None,
        typer.Option(callback=storable, help="A candidate that is one; may be repeated."),
    ] = None,
    unlike: Annotated[
        list[int] | None, typer.Option(callback=storable, help="One that is none; may be repeated.")
    ] = None,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", help='Among which, such as "snr>7 verdict:none".')
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to list.")] = LISTED,
    newest: Annotated[int, typer.Option(min=1, max=200_000, help="Among so many of the newest.")] = 20_000,
    queue: Annotated[
        bool, typer.Option("--queue", help="Only what awaits a verdict, one candidate a card.")
    ] = False,
    as_json: JsonOption = False,
    lines: Annotated[bool, typer.Option("--lines", hidden=True)] = False,  # for the console
) -> None:
    """List candidates that look like some examples, the likeliest first.

    A Gaussian process learns from the examples and from what was judged to be something else; without an
    example the oddest come first. Judge what is listed, tag what fits (`w`, then `#tag`), and search
    again: of a rare kind that looks like no other, most are found within a hundred looks. What is measured
    of a candidate is kept: the first search among many takes longest.
    """
    from pipeline.training.likest import Asked, likest

    with closing(store_of(context, read_only=True)) as store:
        settings, asker = settings_of(context), person_of(context)
        asked = Asked(
            tag,
            tuple(like or ()),
            tuple(unlike or ()),
            expanded_filter(context, store, filters),
            newest,
            queue,
            None if asker in settings.review.experts else asker,
        )
        with _told(quiet=as_json, in_lines=lines) as report:
            result = likest(store, settings, asked, limit, report, is_kept=not is_read_only(context))
    if not as_json:
        _print(result.found, result.examples)
        return
    (print_json_line if lines else print_json)(
        {
            "examples": result.examples,
            "others": result.others,
            "candidates": [
                {
                    "id": r.candidate_id,
                    "object": r.name,
                    "object_id": r.object_id,
                    "snr": r.snr,
                    "likeness": like,
                    "score": r.score,
                }
                for r, like in result.found
            ],
        }
    )


@contextmanager
def _told(*, quiet: bool, in_lines: bool) -> Iterator[Callable[[int, int], None]]:
    """How far the measuring is: a bar, or lines of JSON for the console that asked."""
    if in_lines:
        yield lambda done, total: print_json_line({"measured": done, "of": total})
        return
    with progress_bar("Measuring", quiet=quiet) as report:
        yield lambda done, total: report(done, total, "cutouts")


def _print(found: Sequence[tuple[Alike, float]], examples: int) -> None:
    """A table of candidates and their likeness, and what to make of it."""
    if not examples:
        remark("there is no example yet: the oddest come first")
    elif examples < FEW:
        remark(f"of {examples} of a kind little can be learned: judge what is listed, and search again")
    if not found:
        print_text("Everything has an answer already.")
        return
    listed = [
        (r.candidate_id, r.name, f"{r.snr:.1f}", f"{like:.3f}", "" if r.score is None else f"{r.score:.3f}")
        for r, like in found
    ]
    print_table(("id", "object", "snr", "likeness", "score"), listed)

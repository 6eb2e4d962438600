"""`astrid candidates search`: more of a kind, by a few examples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    expanded_filter,
    print_json,
    print_table,
    print_text,
    progress_bar,
    remark,
    settings_of,
    storable,
    store_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.review.alike import Alike
    from pipeline.classify.classify import Models

AT_ONCE = 1000  # cutouts that are measured together
FEW = 3  # examples
LISTED = 10  # so that each look is led by the answers before it: of 20 a time less is found
NEUTRAL = 0.5  # how odd a candidate is that no model asked


def search(
    context: typer.Context,
    tag: Annotated[
        str | None,
        typer.Option(
            help="Objects that reviewers tagged so are examples; others judged real or bogus are none."
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
    as_json: JsonOption = False,
) -> None:
    """List candidates that look like some examples, the likeliest first.

    A Gaussian process learns from the examples and from what was judged to be something else; without an
    example the oddest come first. Judge what is listed, tag what fits (`w`, then `#tag`), and search
    again: of a rare kind that looks like no other, most are found within a hundred looks.
    """
    import numpy as np

    from core.review.alike import candidates_alike
    from pipeline.classify.chosen import chosen
    from pipeline.training.search import OTHER, UNKNOWN, WANTED, ranked, together

    with closing(store_of(context, read_only=True)) as store:
        terms = expanded_filter(context, store, filters)
        rows = candidates_alike(
            store, tag=tag, like=like or (), unlike=unlike or (), filters=terms, limit=newest
        )
        models = chosen(store, settings_of(context))
    kept, tables = _measured(rows, models, quiet=as_json)
    labels = np.array([UNKNOWN if r.is_wanted is None else WANTED if r.is_wanted else OTHER for r in kept])
    oddness = np.array([NEUTRAL if r.oddness is None else r.oddness for r in kept])
    places, likeness = ranked(together(tables), labels, oddness)
    found = [(kept[place], float(alike)) for place, alike in zip(places[:limit], likeness, strict=False)]
    examples = int(np.count_nonzero(labels == WANTED))
    if not as_json:
        _print(found, examples)
        return
    print_json(
        {
            "examples": examples,
            "others": int(np.count_nonzero(labels == OTHER)),
            "candidates": [
                {"id": r.candidate_id, "object": r.name, "snr": r.snr, "likeness": like, "score": r.score}
                for r, like in found
            ],
        }
    )


def _measured(
    rows: Sequence[Alike], models: Models, *, quiet: bool
) -> tuple[list[Alike], list[NDArray[np.float32]]]:
    """Those candidates whose cutouts can be read, and what these are compared by."""
    import numpy as np

    from core.review.alike import SearchError
    from core.review.cutouts import CutoutError, unpack
    from pipeline.classify.classify import Classifier
    from pipeline.classify.survey_cutouts import of_sources
    from pipeline.training.search import compared_by

    cutouts, kept = [], []
    for row in rows:
        try:
            cutouts.append(unpack(row.cutouts))
        except CutoutError:
            continue  # damaged: there is nothing to look at
        kept.append(row)
    if not kept:
        raise SearchError("no candidate with cutouts passes the filter")
    parts = []
    classifier = Classifier.of(models)
    with progress_bar("Measuring", quiet=quiet) as report:
        for first in range(0, len(kept), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            triplets = of_sources(cutouts[some], [row.source for row in kept[some]])
            parts.append(compared_by(triplets, classifier))
            report(min(first + AT_ONCE, len(kept)), len(kept), "cutouts")
    return kept, [np.concatenate(table) for table in zip(*parts, strict=True)]


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

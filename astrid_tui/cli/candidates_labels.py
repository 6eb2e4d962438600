"""`astrid candidates label`: a verdict, or those of a file from another vetting tool."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.completion import candidate_numbers, verdict_words
from astrid_tui.cli.invocation import (
    JsonOption,
    person_of,
    print_json,
    print_table,
    print_text,
    progress_bar,
    remark,
    session_of,
    storable,
    store_of,
)
from core.vocabulary import LABELS, ExitCode, Label, verdicts_told

if TYPE_CHECKING:
    from core.review.label_import import Row
    from screens.review.steering import Remark

TagOption = Annotated[list[str] | None, typer.Option(help="A tag of its object; may be repeated.")]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Labels of another tool: CSV, ECSV or a JSON object a line, with the columns verdict and "
        "candidate; or alert_id or candid (a survey's number of an alert); or ra, dec; or frame, x, y (the "
        "frame's own pixels, from 0). mjd and frame tell one of "
        "several detections; reviewer, note and tags are kept.",
    ),
]
RadiusOption = Annotated[
    str, typer.Option(help="With --from: how far from ra, dec a candidate may lie, such as 2arcsec.")
]
PixelsOption = Annotated[
    float,
    typer.Option(min=0.1, max=100, help="With --from: how far from x, y a candidate may lie, in pixels."),
]
WordsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="WORD=VERDICT",
        help="With --from: what a word of the other tool stands for; may be repeated.",
    ),
]
YesOption = Annotated[
    bool, typer.Option("--yes", help="With --from: store them; without it nothing is stored.")
]


def _verdict(word: str) -> Label:
    try:
        return Label(word)
    except ValueError:
        raise typer.BadParameter(f"'{word}' is no verdict: {verdicts_told()}") from None


def label(
    context: typer.Context,
    candidate: Annotated[
        int | None,
        typer.Argument(
            metavar="CANDIDATE",
            callback=storable,
            autocompletion=candidate_numbers,
            help="The candidate's id.",
        ),
    ] = None,
    verdict: Annotated[
        Label | None,
        typer.Argument(
            metavar="VERDICT",
            parser=_verdict,
            autocompletion=verdict_words,
            help=f"What it is: {verdicts_told()}.",
        ),
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="A remark kept with the verdict; its #words are tags.")
    ] = None,
    tag: TagOption = None,
    reviewer: Annotated[
        str | None, typer.Option(help="Who decides; default: the settings, then the login name.")
    ] = None,
    file: FileOption = None,
    radius: RadiusOption = "1arcsec",
    radius_px: PixelsOption = 2.0,
    words: WordsOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a verdict; it is on disk when this returns. With --from: those of another vetting tool.

    Each row of the file is told with what becomes of it: new; same, said already or brought in before;
    differs, from what its reviewer decided in AstrID or from another row; unmatched, ambiguous, unknown
    verdict, unclear; or no verdict. Only what is new is stored, with --yes alone: so it can be given twice.

    Exit code 3: some rows cannot be stored; 1: none can.
    """
    if file is not None:
        if candidate is not None or note is not None or tag:
            raise typer.BadParameter("the file says which, and with what note and tags", param_hint="--from")
        _bring_in(
            context,
            file,
            radius=radius,
            radius_px=radius_px,
            words=words,
            reviewer=reviewer,
            yes=yes,
            as_json=as_json,
        )
        return
    if candidate is None or verdict is None:
        raise typer.BadParameter(
            "name a candidate and a verdict, or a file of labels with --from", param_hint="CANDIDATE VERDICT"
        )
    if words or yes:
        raise typer.BadParameter("--map and --yes go with --from", param_hint="--from")
    _decide(context, candidate, verdict, note, tag, reviewer, as_json=as_json)


def _decide(
    context: typer.Context,
    candidate: int,
    verdict: Label,
    note: str | None,
    tags: list[str] | None,
    reviewer: str | None,
    *,
    as_json: bool,
) -> None:
    """Give one verdict, unless it stands already, and tell it; an injected source is told as one now."""
    from core.objects.reference_light import holders
    from core.objects.reference_light import told as told_of_light
    from core.review.candidates import card_of
    from core.review.fakes import revealed
    from core.review.pace import COMMAND_LINE
    from core.review.repeated import already_said
    from core.review.verdicts import decide

    store = store_of(context)
    who = person_of(context, reviewer)
    remarks = remarked(note, tags)
    said = already_said(
        store, reviewer=who, candidate_id=candidate, label=verdict, note=remarks.note, tags=remarks.tags
    )
    card = card_of(store, candidate)
    row = said or decide(
        store,
        session=session_of(who),
        reviewer=who,
        candidate_id=candidate,
        label=verdict,
        shown=card.shown(by=COMMAND_LINE),
        note=remarks.note,
        tags=remarks.tags,
    )
    truth = revealed(store, [row.sky_object_id]).get(row.sky_object_id)
    references = holders(store, [row.sky_object_id])
    if as_json:
        print_json(
            {
                "verdict": row.id,
                "candidate": row.candidate_id,
                "label": row.label,
                "hash": row.hash,
                "new": said is None,
                "injected": truth.record() if truth else None,
                "in_references": references,
            }
        )
        return
    told = f"{row.candidate_id} is {row.label}: {LABELS[verdict].meaning}"
    if said:
        print_text(f"{told}; {who} said so already, and nothing was changed")
    else:
        print_text(f"{told}; astrid candidates undo takes it back")
    if truth:
        print_text(truth.sentence)
    if card.cutouts_problem and not said:
        remark("warning: the verdict rests on no images.", card.cutouts_problem)
    if references:
        remark("warning:", told_of_light(references))


def _bring_in(
    context: typer.Context,
    file: Path,
    *,
    radius: str,
    radius_px: float,
    words: list[str] | None,
    reviewer: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Tell what would become of each row of a file of labels, and with ``yes`` store what can be."""
    from core.coordinates import parse_radius
    from core.objects.reference_light import holders
    from core.objects.reference_light import told as told_of_light
    from core.review.fakes import revealed, told
    from core.review.label_file import read_labels
    from core.review.label_import import GOOD, Fate, Reach, bring, counted, plan

    store = store_of(context, read_only=not yes)
    labels = read_labels(file, _meanings(words))
    reach = Reach(parse_radius(radius), radius_px)
    with progress_bar("Labels", quiet=as_json) as report:
        rows = plan(store, labels, reviewer=person_of(context, reviewer), reach=reach, report=report)
        if yes:
            rows = bring(store, rows, sha256=labels.sha256, session_of=session_of, report=report)
    count = counted(rows)
    objects = {row.sky_object for row in rows if yes and row.fate is Fate.NEW and row.sky_object}
    truth = told(revealed(store, objects).values(), len(objects))
    if references := holders(store, sorted(objects)):
        remark("warning:", told_of_light(references, len(objects)))
    if as_json:
        print_json(
            {
                "file": str(file),
                "sha256": labels.sha256,
                "stored": count.get(Fate.NEW.value, 0) if yes else 0,
                "counts": count,
                "rows": [row.record() for row in rows],
            }
        )
    else:
        _print_rows(rows)
        told_counts = ", ".join(f"{number} {fate}" for fate, number in count.items()) or "no row"
        new = count.get(Fate.NEW.value, 0)
        stored = f"{new} stored" if yes else "nothing was stored" + (": --yes does it" if new else "")
        print_text(f"{told_counts}; {stored}")
        if count.get(Fate.UNKNOWN_WORD.value):
            print_text(f"Verdicts are {verdicts_told()}.")
            print_text("--map WORD=VERDICT says what another word stands for.")
        if truth:
            print_text(truth)
    good = sum(row.fate in GOOD for row in rows)
    if good < len(rows):
        raise typer.Exit(ExitCode.PARTIAL if good else ExitCode.FAILED)


def _print_rows(rows: "list[Row]") -> None:
    if rows:
        print_table(
            ("line", "what", "candidate", "object", "verdict", "reviewer", "reason"),
            [
                (
                    row.line,
                    row.fate.value,
                    row.candidate,
                    row.name,
                    row.asked.label.value if row.asked else None,
                    row.reviewer,
                    row.reason,
                )
                for row in rows
            ],
            least=(("reviewer",), ("candidate",), ("object",)),
        )


def _meanings(words: list[str] | None) -> dict[str, Label]:
    from core.review.label_file import plain_word

    found = {}
    for each in words or ():
        word, _, verdict = each.rpartition("=")
        if not word.strip() or plain_word(verdict) not in set(Label):
            raise typer.BadParameter(
                f"'{each}' is no word with what it stands for, such as bogus=artefact; verdicts are"
                f" {verdicts_told()}",
                param_hint="--map",
            )
        found[plain_word(word)] = Label(plain_word(verdict))
    return found


def remarked(note: str | None, tags: list[str] | None) -> "Remark":
    """A note with its tags: the words that begin with #, and those that were given apart."""
    from screens.review.steering import Remark

    given = " ".join(f"#{each.lstrip('#')}" for each in tags or ())
    if any(not each.lstrip("#") or len(each.split()) != 1 for each in tags or ()):
        raise typer.BadParameter("a tag is one word", param_hint="--tag")
    return Remark.read(f"{note or ''} {given}")

"""`astrid candidates`: how the work is going, who agrees with whom, experts, and filters by name."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.completion import object_numbers
from astrid_tui.cli.invocation import (
    JsonOption,
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
from astrid_tui.cli.reports import mpc, tns
from core.text import counted

if TYPE_CHECKING:
    from core.review.agreement import Pair
    from core.review.pace import Pace, Share

ReviewerOption = Annotated[str | None, typer.Option(help="Who; default: the settings, then the login name.")]


def register(app: typer.Typer) -> None:
    """Add the commands to those of candidates."""
    app.command()(stats)
    app.command()(experts)
    app.command()(assign)
    app.command()(disagreements)
    app.command()(filters)
    app.command()(tns)
    app.command()(mpc)
    app.command()(fakes)


def stats(
    context: typer.Context,
    reviewer: Annotated[str | None, typer.Option(help="Of one reviewer alone.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell pace, fatigue and self-agreement of reviewers, how they agree, and what is confirmed."""
    from core.review.agreement import agreement, reliability, standings
    from core.review.pace import pace, reviewers

    settings, store = settings_of(context).review, store_of(context, read_only=True)
    rule: dict[str, Any] = {"experts": settings.experts, "needed": settings.votes}
    paces = [pace(store, who) for who in ([reviewer] if reviewer else reviewers(store))]
    found = standings(store, **rule)
    shares = reliability(found, **rule)
    pairs = [pair for pair in agreement(found) if reviewer in {None, pair.first, pair.second}]
    confirmed = {by: sum(each.by == by for each in found) for by in ("expert", "votes")}
    disputed = sum(each.is_disputed for each in found)
    if as_json:
        print_json(
            {
                "reviewers": [
                    each.as_json()
                    | {"reliability": asdict(shares[each.reviewer]) if each.reviewer in shares else None}
                    for each in paces
                ],
                "agreement": [asdict(pair) for pair in pairs],
                "judged": len(found),
                "confirmed": confirmed,
                "disputed": disputed,
                "rule": {"experts": list(settings.experts), "votes": settings.votes},
            }
        )
        return
    _print_reviewers(paces, shares, pairs)
    if paces:
        print_text(
            f"{counted(len(found), 'object')} judged: {confirmed['expert']} confirmed by an expert, "
            f"{confirmed['votes']} by {settings.votes} votes, {disputed} disputed"
        )


def _print_reviewers(
    paces: "Sequence[Pace]", reliability: "Mapping[str, Share]", pairs: "Sequence[Pair]"
) -> None:
    """A row a reviewer, and a line for every two who judged the same."""
    if not paces:
        print_text("Nobody has given a verdict yet.")
        return
    headings = (
        "reviewer", "verdicts", "mean s", "median s", "per hour", "tired stretches", "self-agreement",
        "reliability",
    )  # fmt: skip
    rows = [
        (each.reviewer, each.verdicts, _seconds(each.mean_s), _seconds(each.seconds), _rounded(each.per_hour),
         sum(one.is_tired for one in each.stretches), _share(each.self_agreement),
         _share(reliability.get(each.reviewer)))
        for each in paces
    ]  # fmt: skip
    print_table(headings, rows, least=(("mean s",), ("tired stretches",), ("median s",), ("reviewer",)))
    for pair in pairs:
        kappa = f"kappa {pair.kappa:.2f}" if pair.kappa is not None else "kappa not known"
        print_text(f"{pair.first} and {pair.second}: {kappa}, the same on {pair.agree} of {pair.n}")


def experts(
    context: typer.Context,
    expert: Annotated[str | None, typer.Option(help="Only what this expert was asked.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what awaits an expert, the first question first."""
    from core.review.agreement import asked

    found = asked(store_of(context, read_only=True), expert=expert)
    if as_json:
        print_json([asdict(each) for each in found])
    elif found:
        print_table(
            ("object", "candidate", "name", "asked by", "expert", "note"),
            [(e.object_id, e.candidate_id, e.name, e.asked_by, e.expert, e.note) for e in found],
        )
    else:
        print_text("Nothing awaits an expert.")


def assign(
    context: typer.Context,
    object_id: Annotated[
        int,
        typer.Argument(
            metavar="OBJECT",
            callback=storable,
            autocompletion=object_numbers,
            help="The sky object's id, no candidate's.",
        ),
    ],
    expert: Annotated[
        str,
        typer.Argument(
            metavar="EXPERT", help="An expert of the settings or a reviewer; - for nobody in particular."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Ask one expert about an object; one that does not await an expert yet does so from then on."""
    import time

    from core.review.agreement import assign as ask
    from core.review.agreement import must_be_known

    whom, who = None if expert == "-" else expert, person_of(context)
    store = store_of(context)
    if whom is not None:
        experts = settings_of(context).review.experts
        if warning := must_be_known(store, whom, experts=experts, by=who):
            remark(warning)
    name = ask(store, object_id, whom, by=who, at=time.time(), session=session_of(who))
    if as_json:
        print_json({"object": object_id, "expert": whom})
    else:
        print_text(f"Object {object_id}, {name}, awaits {whom or 'any expert'}, with all its detections.")


def disagreements(context: typer.Context, as_json: JsonOption = False) -> None:
    """List objects that reviewers differ on, until an expert or the reviewers themselves settle it.

    `astrid candidates label CANDIDATE VERDICT` settles one.
    """
    from core.review.agreement import standings

    settings = settings_of(context).review
    store = store_of(context, read_only=True)
    found = [
        each for each in standings(store, experts=settings.experts, needed=settings.votes) if each.is_disputed
    ]
    if as_json:
        print_json(
            [
                {"object": e.object_id, "candidate": e.candidate_id, "name": e.name, "votes": e.votes}
                for e in found
            ]
        )
    elif found:
        rows = [
            (
                e.object_id,
                e.candidate_id,
                e.name,
                ", ".join(f"{who} {label}" for who, label in e.votes.items()),
            )
            for e in found
        ]
        print_table(("object", "candidate", "name", "votes"), rows)
    else:
        print_text("No object is disputed.")


def filters(
    context: typer.Context,
    save: Annotated[str | None, typer.Option(help="Keep the filter that is given by this name.")] = None,
    forget: Annotated[str | None, typer.Option(help="Forget the filter of this name.")] = None,
    expression: Annotated[
        str, typer.Argument(metavar="EXPRESSION", help='Such as "score>0.8 verdict:none".')
    ] = "",
    reviewer: ReviewerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List filters that were saved by name, save one or forget one; @NAME stands for it in any filter."""
    from core.review import saved_filters

    who = person_of(context, reviewer)
    if save is None and expression:
        raise typer.BadParameter("a filter is kept by a name: add --save NAME", param_hint="--save")
    store = store_of(context, read_only=save is None and forget is None)
    if save is not None:
        meant = saved_filters.expanded(store, expression, reviewer=who)
        saved_filters.save(store, reviewer=who, name=save, expression=meant)
    if forget is not None:
        saved_filters.forget(store, reviewer=who, name=forget)
    found = saved_filters.saved(store, reviewer=who)
    if as_json:
        print_json([asdict(each) for each in found])
    elif found:
        print_table(("name", "filter"), [(each.name, each.expression) for each in found])
    else:
        print_text(f"{who} has saved no filter.")


def fakes(
    context: typer.Context,
    reviewer: Annotated[str | None, typer.Option(help="Of one reviewer alone.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell how many injected sources the pipeline finds, and how many of these reviewers judge real.

    By the significance they were drawn with; with Wilson intervals of 95 %, and no share below n = 20.
    """
    from core.review.recovery import recovery

    found = recovery(store_of(context, read_only=True))
    told = {who: some for who, some in found.judged.items() if reviewer in {None, who}}
    if as_json:
        record = found.record()
        print_json(record | {"reviewers": {who: record["reviewers"][who] for who in told}})
        return
    if not found.found and not found.all_judged:
        print_text("No source was injected: with `share` in [fakes], runs put some among new cards.")
        return
    parts = {"found by the pipeline": found.found, "judged real": found.all_judged}
    parts |= {f"by {who}": some for who, some in told.items()}
    rows = [
        (name, f"{each.low:g} to {each.high:g}" if each.high else f"{each.low:g} and more", _share(each.got))
        for name, some in parts.items()
        for each in some
    ]
    print_table(("what", "SNR", "share"), rows)


def _share(found: Any) -> str:
    if found is None or found.n == 0:
        return "-"
    if found.share is None:
        return f"n {found.n}, too few"
    return f"{found.share:.0%} ({found.low:.0%} to {found.high:.0%}, n {found.n})"


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 1)

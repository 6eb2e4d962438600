"""`astrid why`: what became of a place in every frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.completion import place_words
from astrid_tui.cli.dates import mjd_from, moment_of
from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_table,
    print_text,
    remark,
    storable,
    store_of,
)
from astrid_tui.cli.places import place_given

if TYPE_CHECKING:
    from core.database.store import Store
    from core.places.story_parts import FrameStory
    from core.places.why import Page, Story

SETTINGS = {"ignore_unknown_options": True}  # a southern declination begins like an option


def why(
    context: typer.Context,
    ra: Annotated[
        str | None,
        typer.Argument(
            metavar="RA",
            autocompletion=place_words,
            help="Degrees, or hours as in 10:12:33.1; RA and DEC in one; a name.",
        ),
    ] = None,
    dec: Annotated[
        str | None, typer.Argument(metavar="DEC", help="Degrees, or sexagesimal such as -04:10:11.")
    ] = None,
    pixel: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="X Y", help="Instead of RA DEC: a pixel of --frame or of --reference, from 0."),
    ] = None,
    frame: Annotated[str | None, typer.Option(help="The id or the name of the one frame to tell of.")] = None,
    reference: Annotated[
        int | None,
        typer.Option(callback=storable, help="The id of the reference whose pixel it is: all its frames."),
    ] = None,
    radius: Annotated[
        str | None,
        typer.Option(
            help="How far around the place: 5arcsec, or 3px with --pixel. Default: each frame's own."
        ),
    ] = None,
    since: Annotated[str | None, typer.Option(help="Frames from this MJD or UTC date on.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Frames on the page.")] = 50,
    after: Annotated[str | None, typer.Option(help="The cursor that the page before ended with.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what became of a place in every frame: detected, dropped, too faint, masked, never covered.

    A place is a position, RA DEC; an object's, by its name; or --pixel X Y with --frame (as in its file) or
    --reference.
    """
    from core.places.why import Page

    page = Page(limit=limit, since=mjd_from(since, "--since"), after=after)
    store = store_of(context, read_only=True)
    if pixel is not None:
        if ra is not None:
            raise typer.BadParameter("give RA DEC or --pixel X Y, not both")
        story = _of_pixel(store, pixel, frame, reference, radius, page)
    elif ra is None:
        raise typer.BadParameter("give a position, RA DEC, or --pixel X Y with --frame or --reference")
    elif reference is not None:
        raise typer.BadParameter("--reference goes with --pixel")
    else:
        story = _of_position(store, ra, dec, frame, radius, page)
    if as_json:
        print_json(story.record())
    else:
        _print(story)
    if story.next is not None:
        remark(f"more: --after {story.next}")


def _of_position(
    store: Store, ra: str, dec: str | None, frame: str | None, radius: str | None, page: Page
) -> Story:
    from core.coordinates import parse_radius
    from core.places.why import why as tell
    from core.places.why import why_on_grid

    radius_deg = parse_radius(radius) if radius is not None else None
    place = place_given(store, ra, dec)
    if place.ra is not None and place.dec is not None:
        return tell(store, place.ra, place.dec, radius_deg, frame=frame, page=page)
    if frame is not None or radius is not None:
        raise typer.BadParameter("the object has no WCS: --pixel X Y goes with --frame and --radius")
    return why_on_grid(store, place.reference or 0, place.x or 0.0, place.y or 0.0, page=page)


def _of_pixel(
    store: Store,
    pixel: tuple[float, float],
    frame: str | None,
    reference: int | None,
    radius: str | None,
    page: Page,
) -> Story:
    from core.places.why import why_in_frame, why_on_grid

    if not all(math.isfinite(value) for value in pixel):
        raise typer.BadParameter("a pixel is two numbers", param_hint="--pixel")
    radius_px = _pixels(radius)
    if reference is not None and frame is None:
        return why_on_grid(store, reference, *pixel, radius_px, page=page)
    if frame is not None and reference is None:
        return why_in_frame(store, frame, *pixel, radius_px)
    raise typer.BadParameter("--pixel needs either --frame or --reference: whose pixel it is")


def _pixels(radius: str | None) -> float | None:
    if radius is None:
        return None
    try:
        pixels = float(radius.removesuffix("px"))
    except ValueError:
        pixels = math.nan
    if not 0 < pixels < math.inf:
        raise typer.BadParameter("the radius around a pixel is a number of pixels, such as 3px")
    return pixels


def _print(story: Story) -> None:
    from core.coordinates import degrees_of_ra

    _print_alerts(story)
    if not story.frames:
        print_text("No frame of this store shows the place, by its own header or by its reference.")
        return
    place = story.place
    where = []
    if place.ra is not None and place.dec is not None:
        where.append(f"{degrees_of_ra(place.ra, 6)} {place.dec:+.6f}")
    if place.x is not None and place.y is not None:
        where.append(f"pixel {place.x:.1f} {place.y:.1f} of reference {place.reference}")
    if where:
        print_text(", ".join(where))
    if len(story.frames) == 1:
        _print_steps(story.frames[0])
        return
    rows = [
        (moment_of(each.mjd), each.frame, each.filter, each.fate.value, each.end.text)
        for each in story.frames
    ]
    print_table(("UTC", "frame", "filter", "what became of it", ""), rows, least=(("filter",), ("frame",)))


def _print_alerts(story: Story) -> None:
    if not story.alerts:
        return
    print_text("Alerts of surveys there, nearest first:")
    rows = [
        (one["id"], one["object"], one["source"], moment_of(one["mjd"]), one["filter"], f"{one['snr']:.1f}",
         None if one["mag"] is None else f"{one['mag']:.2f}", one["arcsec"])
        for one in story.alerts
    ]  # fmt: skip
    print_table(
        ("id", "object", "source", "UTC", "filter", "snr", "mag", "arcsec"),
        rows,
        least=(("filter",), ("mag",), ("UTC",), ("object",)),
    )
    for one in story.alerts:
        if one["body"] is not None:
            print_text(f"  {one['id']} solar system: {one['body']}")


def _print_steps(frame: FrameStory) -> None:
    parts = [moment_of(frame.mjd) or "", frame.frame, frame.filter or ""]
    if frame.x_frame is not None and frame.y_frame is not None:
        parts.append(f"pixel {frame.x_frame:.1f} {frame.y_frame:.1f}")
    print_text("  ".join(part for part in parts if part))
    for step in frame.steps[:-1]:
        print_text(f"  {step.stage:10}{step.text}")
    print_text(f"  {frame.end.stage:10}{frame.fate.value}: {frame.end.text}")

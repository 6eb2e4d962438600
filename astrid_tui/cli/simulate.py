"""`astrid simulate`: a night whose truth is known."""

from pathlib import Path
from typing import Annotated

import typer

from astrid_tui.cli.invocation import JsonOption, print_json, print_text, progress_bar


def simulate(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the frames go; made if it is not there.")
    ],
    frames: Annotated[int, typer.Option(min=1, help="Science frames of the night.")] = 8,
    size: Annotated[int, typer.Option(min=128, help="Pixels on a side.")] = 1024,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write raw frames of a simulated night, with bias, dark and flat, and a table of the truth."""
    from pipeline.simulate import simulate_night

    with progress_bar("Simulating", quiet=as_json) as report:
        night = simulate_night(folder, frames=frames, size=size, seed=seed, progress=report)
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "science": [str(path) for path in night.science],
                "reference": [str(path) for path in night.reference],
                "calibration": [str(path) for path in night.calibration],
                "truth": str(night.truth),
                "catalogue": str(night.catalogue),
            }
        )
        return
    print_text(f"{len(night.science)} science frames, {len(night.reference)} reference frames and")
    print_text(f"{len(night.calibration)} calibration frames in {folder}; what is true is in {night.truth}")
    print_text(f"The constant sky is in {night.catalogue}: `astrid catalog add` takes its galaxies, and,")
    print_text("with `--kind stars --name stars --band r --mag-system ab`, its stars")

r"""Judge the models by the second generator.

python -m benchmarks.judge --work FOLDER [--images FOLDER] [--own-kind N] [--first N] [--json FILE] \
    [--processes N] [--keep]

Fields are drawn once and kept in the folder, and so is what the product makes of each until its sources or
models are others: a run that is broken off is gone on with. --processes says in how many they are judged.
Without --images the changes in real pixels are left out; with them half of all changes are such, for only
some of the simulated fields count there. --own-kind judges the same models by so many fields of the
training's generator too, of seeds that no training uses: the difference is the gap.
Probabilities are told at even odds, as models state them.
--keep writes what the model cards tell into the package, beside the models.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("OMP_NUM_THREADS", "1")


def main() -> None:
    """Print the table."""
    from benchmarks.judge import examples as sets
    from benchmarks.judge.own_kind import of_fields
    from core.models.names import NAMES, ODD_BY
    from pipeline.classify.chosen import shipped_folder
    from pipeline.training import evaluate as room
    from pipeline.training.examples import read

    parser = argparse.ArgumentParser(prog="benchmarks.judge", description="Judge the models.")
    parser.add_argument("--work", type=Path, required=True, help="where fields and examples are kept")
    parser.add_argument("--images", type=Path, help="the folder of the real frames")
    parser.add_argument("--own-kind", type=int, default=0, help="how many fields of the training's kind")
    parser.add_argument("--simulated", type=int, default=sets.SIMULATED, help="how many fields are simulated")
    parser.add_argument("--first", type=int, default=0, help="the first of them: others nobody has looked at")
    parser.add_argument("--models", type=Path, help="a folder with a model in each of its folders")
    parser.add_argument("--again", action="store_true", help="judge the examples that are kept")
    parser.add_argument("--processes", type=int, default=1, help="in how many the fields are judged")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", action="store_true", help="keep the numbers for the model cards")
    options = parser.parse_args()
    if options.images is None:
        print("Without the real frames: the changes in real pixels are left out.")

    file = options.work / "examples.npz"
    if not (options.again and file.exists()):
        began = os.times()
        parts = sets.judged(
            options.images, options.work, options.simulated, _say, options.first, options.processes
        )
        sets.write(file, sets.assemble(parts))
        spent = [after - before for after, before in zip(os.times()[:4], began[:4], strict=True)]
        print(f"{len(parts)} fields, {sum(spent):.0f} CPU s")
    with np.load(file, allow_pickle=False) as kept:
        columns = {name: kept[name] for name in kept.files}
    _describe(columns)
    folders = _models(options.models) if options.models else {
        name: (shipped_folder(name), None) for name in NAMES if shipped_folder(name).is_dir()
    }  # fmt: skip
    candidates = room.ready(folders, room.ORDER)
    judged = read(file)
    own = of_fields(options.work / "own", options.own_kind) if options.own_kind else None
    room.refuse_leaks(judged, candidates)
    if own is not None:
        room.refuse_leaks(own.examples, candidates)
    result = report(columns, judged, candidates, own)
    both = sets.beside_real(columns["field"], columns["frame"])
    result["odd"] = _odd(room.ready(folders, ODD_BY), judged, both, own)
    if options.keep:
        keep(result, {name: folder for name, (folder, _) in folders.items()})
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1, allow_nan=False))


def report(columns: dict[str, NDArray[Any]], judged: Any, candidates: Any, own: Any) -> dict[str, Any]:
    """Print everything that is judged; what was printed, for JSON."""
    from benchmarks.judge.examples import beside_real
    from pipeline.training import evaluate as room
    from pipeline.training.calibration import EVEN_ODDS
    from pipeline.training.scorecard_text import lines

    whole = {"unet": columns["unet"].astype(np.float64)}
    found = whole | room.scores(candidates, judged, given=whole)
    digests = {each.name: each.scorer.digest for each in candidates if each.scorer is not None}
    absent = {each.name: each.why_not for each in candidates if each.scorer is None}
    absent.pop("unet", None)
    shown = judged.cut == ""
    both = beside_real(columns["field"], columns["frame"])
    out: dict[str, Any] = {"absent": absent}
    every = {
        "shown": (shown & both, "of what the cuts let through"),
        "peaks": (both, "of every peak beyond the threshold"),
        "shown simulated": (
            shown & (judged.instrument == "simulated"),
            "of what is shown of simulated fields",
        ),
        "shown real": (shown & (judged.instrument != "simulated"), "of what is shown of real frames"),
    }
    for name, (which, what) in every.items():
        label = judged.label[which]
        if len(np.unique(label)) < 2:
            continue
        part = {key: values[which] for key, values in found.items()}
        evaluation = room.evaluate(
            judged[which],
            part,
            digests=digests,
            absent=absent,
            extra={"mag": columns["mag"][which]},
            drawn_by="night",
            stated_at=EVEN_ODDS,
        )
        print(f"\n{what}: {np.count_nonzero(label == 1)} real, {np.count_nonzero(label == 0)} bogus")
        out[name] = _part(evaluation, judged[which], part)
        if name == "shown":
            for card in evaluation.cards[1:]:
                print("\n".join(lines(card)))
            out["gap"] = _gap(evaluation, own, candidates)
    usable = {"S_corr": np.abs(judged.snr.astype(np.float64)), **found}
    return out | _detection(columns, usable, shown) | _streaks(columns)


def _part(evaluation: Any, judged: Any, scores: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Print what some of the examples say of each model; the same for JSON."""
    from benchmarks.judge import table
    from pipeline.training import evaluate as room
    from pipeline.training.scorecard_text import table as overview

    headings, rows = overview(evaluation)
    for row in (headings, *rows):
        print("  " + "  ".join(cell.ljust(38 if i == 0 else 26) for i, cell in enumerate(row)).rstrip())
    goals = [line for card in evaluation.cards for line in table.real_bogus(card)]
    print("\n".join(table.told(goals)))
    told = {"evaluation": room.plain(evaluation), "goals": [room.plain(line) for line in goals]}
    if "ensemble" in scores:
        lines_of = table.ensemble(judged, scores)
        zones = table.zones(judged, scores["ensemble"])
        print("\n".join(table.told(lines_of + zones)))
        told["ensemble"] = [room.plain(line) for line in lines_of]
        told["zones"] = [room.plain(line) for line in zones]
    return told


def _detection(
    columns: dict[str, NDArray[Any]], scores: dict[str, NDArray[Any]], shown: NDArray[np.bool_]
) -> dict[str, Any]:
    """Print what is found at a rate of false alarms, by score and kind of sky; the same for JSON."""
    from benchmarks.judge import table
    from pipeline.training import evaluate as room

    told = {}
    for key, values in scores.items():
        for skies in (("simulated",), ("saao", "lt")):
            if not np.isin(columns["frame_sky"], skies).any() or np.isnan(values).any():
                continue
            goals = table.detection(columns, np.where(shown, values, -np.inf), skies)
            print(f"\n{key}, {' and '.join(skies)}:")
            print("\n".join(table.told(goals)))
            told[f"detection {key} {skies[0]}"] = [room.plain(line) for line in goals]
    return told


def _streaks(columns: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Print how many streaks are found, and how many there are where none is; the same for JSON."""
    from benchmarks.judge import table
    from benchmarks.judge.streaks import streaks
    from pipeline.training import evaluate as room

    goals = streaks(columns)
    print("\n" + "\n".join(table.told(goals)))
    return {"streaks": [room.plain(line) for line in goals]}


def _gap(evaluation: Any, own: Any, candidates: Any) -> dict[str, Any] | None:
    from benchmarks.judge import table
    from pipeline.training import evaluate as room
    from pipeline.training.calibration import EVEN_ODDS

    if own is None:
        print("\nThe gap to the training's kind of data is not told: --own-kind was not given.")
        return None
    shown = own.examples.cut == ""
    whole = {"unet": own.unet[shown]}
    found = whole | room.scores(candidates, own.examples[shown], given=whole)
    beside = room.evaluate(own.examples[shown], found, drawn_by="field", stated_at=EVEN_ODDS)
    gaps = room.gaps(evaluation, beside)
    print("\nmissed at 1 % FPR by the judge, on new fields of the training's kind, and the gap:")
    for name, each in gaps.items():
        values = ["-" if value is None else f"{100 * value:.2f} %" for value in each.values()]
        print(f"  {name:<12} {'  '.join(values)}")
    here = own.examples[shown]
    lines = table.ensemble(here, found) if "ensemble" in found else []
    zones = table.zones(here, found["ensemble"]) if "ensemble" in found else []
    print("On the training's kind:\n" + "\n".join(table.told(lines + zones)))
    return {
        "models": gaps,
        "own_kind": room.plain(beside),
        "ensemble": [room.plain(line) for line in lines],
        "zones": [room.plain(line) for line in zones],
    }


def _odd(detectors: Any, judged: Any, both: NDArray[np.bool_], own: Any) -> dict[str, Any]:
    """Print what the detectors of the odd are worth; the same for JSON."""
    from benchmarks.judge import odd

    shown = judged.cut == ""
    simulated = shown & (judged.instrument == "simulated")
    parts = {"simulated": (judged, simulated), "simulated_and_real_pixels": (judged, shown & both)}
    if own is not None:
        parts["own_kind"] = (own.examples, own.examples.cut == "")
    return odd.cards(detectors, parts)


def _describe(columns: dict[str, NDArray[Any]]) -> None:
    counts = (len(columns[name]) for name in ("label", "truth_snr", "frame"))
    print("{} candidates, {} truths, {} frames".format(*counts))
    for name, which in (("shown", columns["cut"] == ""), ("dropped", columns["cut"] != "")):
        counts = Counter(columns["kind"][which].tolist())
        print(f"  {name}: {', '.join(f'{count} {kind}' for kind, count in counts.most_common())}")


def _models(folder: Path) -> dict[str, tuple[Path, str | None]]:
    from pipeline.classify.model_file import DESCRIPTION, read

    return {
        read(each.parent).description.kind: (each.parent, None) for each in folder.glob(f"*/{DESCRIPTION}")
    }


def keep(result: dict[str, Any], folders: dict[str, Path]) -> None:
    """Write what the judge says of the shipped models where their cards read it."""
    from benchmarks.judge.kept import kept
    from core.models.shipped import JUDGED, shipped_folder
    from pipeline.classify.model_file import read

    digests = {name: read(folder).digest for name, folder in folders.items()}
    text = json.dumps(kept(result, digests), indent=1, sort_keys=True, allow_nan=False) + "\n"
    (shipped_folder() / JUDGED).write_text(text)
    print(f"\nkept in {JUDGED}")


def _say(text: str) -> None:
    if "refused" in text:
        print(text, flush=True)


if __name__ == "__main__":
    main()

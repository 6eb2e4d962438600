"""`astrid watch`: register frames and take alerts as they arrive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from astrid_tui.cli.completion import forgettable_folders
from astrid_tui.cli.ingest import alert_record
from astrid_tui.cli.invocation import (
    JsonOption,
    print_json_line,
    print_text,
    remark,
    said_if_possible,
    settings_of,
    store_of,
)
from core.epochs import mjd_of, night_of

if TYPE_CHECKING:
    from core.database.store import Store
    from core.operations.told_once import Heard
    from core.settings import Settings
    from pipeline.intake.watch import FolderWatch, Taken

INTERVAL_S = 5.0


def watch(
    context: typer.Context,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FOLDER",
            help="Folders, watched to any depth.",
            exists=True,
            file_okay=False,
            resolve_path=True,
            show_default=False,
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Take what is there, and end.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = INTERVAL_S,
    process: Annotated[bool, typer.Option("--process", help="Start a run when frames are due.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes of such a run.")] = 1,
    forget: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            autocompletion=forgettable_folders,
            help="Watch nothing, but forget a folder that nobody will watch again, so that health misses it "
            "no more; HOST:FOLDER is another machine's. Its frames stay.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Register FITS files and take alert packets when they have arrived whole, until SIGTERM or Ctrl-C.

    A file is taken when two looks found it the same. Hidden files and parts of copies are left out. With
    --json each file is one line. A folder that another process watches is left to it until that ends.
    """
    from core.database.store_errors import StoreUnreachable
    from core.health import watch as health_watch
    from core.operations.logs import log_to_file
    from core.operations.told_once import Heard
    from pipeline.engines.signals import stopped_by_signals

    if forget and not folders:
        _forget(store_of(context), forget, as_json=as_json)
        return
    if forget or not folders:
        raise typer.BadParameter("name the folders to watch, or those to --forget", param_hint="FOLDER")
    settings, store = settings_of(context), store_of(context)
    log_to_file(settings)
    start = _starter(context, store, settings, workers) if process else _nothing
    crew = _Crew(store, settings, interval_s=interval, processes=process)
    stop, looks, trouble, heard = threading.Event(), 0, "", Heard()
    try:
        with stopped_by_signals(stop), health_watch.watching(settings, store):
            while not stop.is_set():
                try:
                    for folder in folders:
                        for taken in crew.poll(folder, lambda: not stop.is_set()):
                            with said_if_possible():
                                _tell(taken, None if as_json else heard, settings.site.position[1:])
                    start()
                except (StoreUnreachable, OSError) as error:
                    if once or isinstance(error, BrokenPipeError):
                        raise
                    if str(error) != trouble:  # else a night's log would hold nothing else
                        remark(f"{error}; trying again every {interval:g} s")
                    trouble = str(error)
                else:
                    if trouble:
                        remark("It works again.")
                    trouble = ""
                looks += 1
                if once and looks >= 2:  # what is there must have been seen twice
                    break
                stop.wait(interval)
    except KeyboardInterrupt:  # asked twice, as by `timeout`: nobody shall miss a watcher that was told to go
        crew.end()
        raise
    crew.end()


class _Crew:
    """The watches of this process, each made when its folder is free."""

    def __init__(self, store: Store, settings: Settings, *, interval_s: float, processes: bool) -> None:
        self._store, self._settings = store, settings
        self._interval_s, self._processes = interval_s, processes
        self._watches: dict[Path, FolderWatch] = {}
        self._told: set[Path] = set()

    def poll(self, folder: Path, go_on: Callable[[], bool]) -> Iterator[Taken]:
        from pipeline.intake.watch import WatchLost

        watching = self._watch(folder)
        if watching is None:
            return
        try:
            yield from watching.poll(go_on)
        except WatchLost as lost:
            remark(lost)
            del self._watches[folder]

    def end(self) -> None:
        from core.database.store_errors import StoreError
        from core.frames.watched_folders import let_go

        for watching in self._watches.values():
            try:
                let_go(self._store, watching.watch)
            except StoreError as error:
                remark(error)  # its process is gone: the next watcher sees that
        for folder, watching in self._watches.items():
            if watching.unsettled:
                files = "1 file is" if watching.unsettled == 1 else f"{watching.unsettled} files are"
                remark(f"{folder}: {files} not whole yet")

    def _watch(self, folder: Path) -> FolderWatch | None:
        from core.frames import watched_folders
        from pipeline.intake.watch import FolderWatch

        if folder not in self._watches:
            got = watched_folders.take(
                self._store, folder, interval_s=self._interval_s, processes=self._processes
            )
            if isinstance(got, int):
                if folder not in self._told:
                    remark(f"{folder} is watched already, by process {got}; it is left to that one")
                    self._told.add(folder)
                return None
            self._watches[folder] = FolderWatch(self._store, self._settings, got)
            self._told.discard(folder)
        return self._watches[folder]


def _starter(context: typer.Context, store: Store, settings: Settings, workers: int) -> Callable[[], None]:
    """What starts a run when a frame is due and none is at work, and says what became of those it started."""
    from core.operations.launch import start_run
    from core.operations.starter import Starter

    config: Path | None = context.find_root().obj.config
    starter = Starter(store, lambda: start_run(store, settings, config=config, workers=workers))

    def start() -> None:
        for told in starter.look():
            remark(told)

    return start


def _forget(store: Store, names: list[str], *, as_json: bool) -> None:
    from core.frames.watched_folders import forget

    for name in names:
        folder = forget(store, name)
        if as_json:
            print_json_line({"forgotten": folder.path, "host": folder.host, "files": folder.files})
        else:
            print_text(f"{folder.host}:{folder.path} is forgotten; files that were taken: {folder.files}")


def _nothing() -> None:
    """Start no run."""


def _tell(taken: Taken, heard: Heard | None, longitude: Sequence[float]) -> None:
    """Say what became of a file: as JSON, or in lines where it is known what was heard before."""
    if heard is None:
        print_json_line(
            {
                "file": str(taken.path),
                "frames": [
                    {
                        "id": each.id,
                        "frame": each.frame,
                        "state": each.state,
                        "reason": each.reason,
                        "new": each.new,
                    }
                    for each in taken.frames
                ],
                "cadence_s": taken.cadence_s,
            }
            | ({} if taken.alerts is None else {"alerts": alert_record(taken.alerts)})
        )
        return
    cadence = "" if taken.cadence_s is None else f" (one every {taken.cadence_s:.1f} s)"
    if (file := taken.alerts) is not None:
        counts = f"{file.new} new, {file.known} already known, {file.refused} refused"
        left = f"{file.unmatched} not asked of catalogues: `astrid catalog match`" if file.unmatched else None
        told = (taken.path.name, file.state, counts, file.reason, left)
        print_text(*(word for word in told if word))
    night = night_of(mjd_of(time.time()), *longitude)
    for each in taken.frames:
        said = heard.rest(each.frame, each.state, each.reason, night)
        known, reason = "" if each.new else ", known already", f": {said}" if said else ""
        print_text(f"{each.frame} {each.state}{known}{reason}{cadence}")

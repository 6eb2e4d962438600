"""What is left of a console that broke down: a log with everything, and a sentence without surprises."""

import os
import tempfile
import time
import traceback
from pathlib import Path

from core.text import SafeText, safe_text


class Crash:
    """Keeps the first unforeseen exception.

    Attributes
    ----------
    folder : Path
        Where the log goes.
    sentence : SafeText or None
        For the terminal, once there was an exception.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.gettempdir())
        self.sentence: SafeText | None = None

    def keep(self, error: BaseException) -> None:
        """Write the traceback to a file; text from outside may be in it, line by line made safe."""
        if self.sentence is not None:
            return
        name = f"console-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.log"
        file = self.folder / name
        told = "".join(traceback.format_exception(error))
        lines = [safe_text(line, 2000) for line in told.splitlines()]
        what = f"astrid: the console broke down: {type(error).__name__}: {safe_text(error, 200)}."
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600, exist_ok=False)
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
            what += f" All of it is in {file}"
        except OSError as unwritten:
            what += f" {file} could not be written: {unwritten.strerror}"
        self.sentence = safe_text(f"{what}. Verdicts given before are in the store.", 1000)

"""What is there once the settings are read and the store is open."""

from dataclasses import dataclass
from pathlib import Path

from core import settings as all_settings
from core.database.store import Store, open_store
from core.login import login_name
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Opened:
    """The store and the settings of a console, shared by its screens.

    Attributes
    ----------
    store : Store
    settings : Settings
    settings_path : Path or None
        The file that was named, if one was.
    reviewer : str
        Who decides here.
    """

    store: Store
    settings: Settings
    settings_path: Path | None
    reviewer: str

    @classmethod
    def open(cls, settings_path: Path | None, *, read_only: bool) -> "Opened":
        """Read the settings and open the store they name. Blocks: call it from a thread.

        Raises
        ------
        AstridError
            Either cannot be used.
        """
        found = all_settings.load(settings_path)
        store = open_store(found.store_url, read_only=read_only)
        return cls(store, found, settings_path, found.review.reviewer or login_name())

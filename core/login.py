"""By what name this process's user is known."""

import getpass

NAMELESS = "reviewer"  # what a user is called that has no name, as in some containers


def login_name() -> str:
    """The login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return NAMELESS

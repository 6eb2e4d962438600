"""By what name this process's user is known."""

import getpass

MOST_NAME = 100  # letters of a reviewer's name; PostgreSQL's indexes hold no text without end
NAMELESS = "reviewer"  # what a user is called that has no name, as in some containers


def login_name() -> str:
    """The login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return NAMELESS

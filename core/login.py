"""By what name this process's user is known."""

import getpass

MOST_NAME = 100  # letters of a reviewer's name; PostgreSQL's indexes hold no text without end
NO_NAMES = ("me", "any", "none")  # filters mean others by them: expert:any is whoever was asked
NAMELESS = "reviewer"  # what a user is called that has no name, as in some containers


def refusal(name: str) -> str | None:
    """Why nobody can be called so; none where one can."""
    if len(name) > MOST_NAME:
        return f"a reviewer's name has at most {MOST_NAME} letters, not {len(name)}"
    if name.lower() in NO_NAMES:
        return f"nobody can be called '{name}': filters mean others by it, such as expert:{name.lower()}"
    return None


def login_name() -> str:
    """The login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return NAMELESS

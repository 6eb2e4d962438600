"""Times as people write them: modified Julian dates, and dates and times of UTC."""

import re
from datetime import UTC, datetime, timedelta

from core.epochs import mjd_of

_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}")


def parsed_mjd(text: str, *, through: bool = False) -> float:
    """The modified Julian date of a date and time of ISO 8601, UTC where it names no zone.

    Parameters
    ----------
    text : str
    through : bool
        A date without a time means its end, not its beginning.

    Raises
    ------
    ValueError
        It is none.
    """
    moment = datetime.fromisoformat(text)
    if through and _DAY.fullmatch(text):
        moment += timedelta(days=1)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return mjd_of(aware.timestamp())

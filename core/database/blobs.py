"""Bytes in a column: SQLite keeps text or a number there as well, where another program put it."""

from typing import Any

from sqlalchemy import LargeBinary
from sqlalchemy.types import TypeDecorator


class Blob(TypeDecorator[bytes]):
    """Bytes; whatever else lies there is read as the bytes of its text, which nobody takes for images."""

    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: Any, dialect: object) -> bytes | None:  # noqa: ARG002
        """What a reader is given."""
        return value if value is None or isinstance(value, bytes) else str(value).encode(errors="replace")

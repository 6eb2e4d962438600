"""Find objects by how their names begin by an index of PostgreSQL too

Its index of 0011 is in the order of a language, in which what begins alike need not lie together. One in the
order of the characters finds beginnings and whole names. SQLite's has that order already.
"""

from alembic import op
from sqlalchemy import text

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NAMES = (("sky_object", "name"), ("survey_object", "external_id"))


def upgrade() -> None:
    _make_anew("text_pattern_ops")


def downgrade() -> None:
    _make_anew("text_ops")


def _make_anew(order: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, column in NAMES:
        name = f"ix_{table}_lower_{column}"
        op.drop_index(name, table_name=table)
        op.create_index(name, table, [text(f"lower({column}) {order}")])

"""Find objects and frames by their names, whatever the case, by an index"""

from alembic import op
from sqlalchemy import text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NAMES = (("sky_object", "name"), ("survey_object", "external_id"), ("candidate", "frame"))


def upgrade() -> None:
    for table, column in NAMES:
        op.create_index(f"ix_{table}_lower_{column}", table, [text(f"lower({column})")])


def downgrade() -> None:
    for table, column in NAMES:
        op.drop_index(f"ix_{table}_lower_{column}", table_name=table)

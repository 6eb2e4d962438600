"""Find the few candidates that are streaks or in a row, and new saturated sources, by an index"""

from alembic import op
from sqlalchemy import text

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SATURATED = "cause = 'saturated, and faint in the reference'"
LINES = {"streak": "streak_length", "row": "row_count"}


def upgrade() -> None:
    for kind, feature in LINES.items():
        op.create_index(
            f"ix_candidate_{kind}",
            "candidate",
            ["sky_object_id"],
            sqlite_where=text(f"json_extract(features, '$.{feature}') IS NOT NULL"),
            postgresql_where=text(f"(features ->> '{feature}'::text) IS NOT NULL"),
        )
    op.create_index(
        "ix_rejection_saturated",
        "rejection",
        ["id"],
        sqlite_where=text(SATURATED),
        postgresql_where=text(SATURATED),
    )


def downgrade() -> None:
    op.drop_index("ix_rejection_saturated", table_name="rejection")
    for kind in LINES:
        op.drop_index(f"ix_candidate_{kind}", table_name="candidate")

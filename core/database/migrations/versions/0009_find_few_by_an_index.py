"""Find the few candidates that catalogues know, and the few verdicts with tags, by an index"""

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KINDS = ("star", "variable", "galaxy", "transient", "solar_system", "reference")


def upgrade() -> None:
    for kind in KINDS:
        op.create_index(
            f"ix_candidate_match_{kind}",
            "candidate_match",
            ["candidate_id"],
            sqlite_where=text(f"json_extract(answers, '$.{kind}.status') = 'match'"),
            postgresql_where=text(f"((answers -> '{kind}'::text) ->> 'status'::text) = 'match'"),
        )
    op.create_index(
        "ix_verdict_tagged",
        "verdict",
        ["sky_object_id"],
        sqlite_where=text("CAST(tags AS TEXT) <> '[]'"),
        postgresql_where=text("(tags)::text <> '[]'::text"),
    )


def downgrade() -> None:
    op.drop_index("ix_verdict_tagged", table_name="verdict")
    for kind in KINDS:
        op.drop_index(f"ix_candidate_match_{kind}", table_name="candidate_match")

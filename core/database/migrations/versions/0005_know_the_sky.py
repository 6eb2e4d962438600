"""Know the sky: what is known at the places of candidates"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0002"
branch_labels = None
depends_on = None

OBSERVED = (
    ("zeropoint_from", sa.String()),
    ("zeropoint_scatter", sa.Float()),
    ("zeropoint_stars", sa.Integer()),
    ("mag_system", sa.String()),
    ("wcs_catalog", sa.String()),
    ("wcs_dra_arcsec", sa.Float()),
    ("wcs_ddec_arcsec", sa.Float()),
    ("wcs_rms_arcsec", sa.Float()),
    ("wcs_stars", sa.Integer()),
)


def upgrade() -> None:
    op.create_table(
        "candidate_match",
        sa.Column("candidate_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"], ["candidate.id"], name=op.f("fk_candidate_match_candidate_id_candidate")
        ),
        sa.PrimaryKeyConstraint("candidate_id", name=op.f("pk_candidate_match")),
    )
    op.create_index(op.f("ix_candidate_match_state"), "candidate_match", ["state"], unique=False)
    for name, kind in OBSERVED:
        op.add_column("observation", sa.Column(name, kind, nullable=True))
    op.add_column("difference", sa.Column("forced_through", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("observation") as batch:
        for name, _ in OBSERVED:
            batch.drop_column(name)
    with op.batch_alter_table("difference") as batch:
        batch.drop_column("forced_through")
    op.drop_index(op.f("ix_candidate_match_state"), table_name="candidate_match")
    op.drop_table("candidate_match")

"""Know the sky: what is known at the places of candidates"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
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
    op.create_table(
        "tracklet",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("first_mjd", sa.Float(), nullable=False),
        sa.Column("last_mjd", sa.Float(), nullable=False),
        sa.Column("ra", sa.Float(), nullable=False),
        sa.Column("dec", sa.Float(), nullable=False),
        sa.Column("rate_arcsec_hour", sa.Float(), nullable=False),
        sa.Column("position_angle", sa.Float(), nullable=False),
        sa.Column("rms_arcsec", sa.Float(), nullable=True),
        sa.Column("mag", sa.Float(), nullable=True),
        sa.Column("filter", sa.String(), nullable=True),
        sa.Column("chance", sa.Float(), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tracklet")),
    )
    op.create_index(op.f("ix_tracklet_first_mjd"), "tracklet", ["first_mjd"], unique=False)
    op.create_table(
        "tracklet_member",
        sa.Column("candidate_id", sa.Integer(), nullable=False),
        sa.Column("tracklet_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"], ["candidate.id"], name=op.f("fk_tracklet_member_candidate_id_candidate")
        ),
        sa.ForeignKeyConstraint(
            ["tracklet_id"], ["tracklet.id"], name=op.f("fk_tracklet_member_tracklet_id_tracklet")
        ),
        sa.PrimaryKeyConstraint("candidate_id", name=op.f("pk_tracklet_member")),
    )
    op.create_index(op.f("ix_tracklet_member_tracklet_id"), "tracklet_member", ["tracklet_id"], unique=False)
    op.add_column(
        "sky_object", sa.Column("moving", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    for name, kind in OBSERVED:
        op.add_column("observation", sa.Column(name, kind, nullable=True))
    op.add_column("difference", sa.Column("forced_through", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("sky_object") as batch:
        batch.drop_column("moving")
    op.drop_table("tracklet_member")
    op.drop_table("tracklet")
    with op.batch_alter_table("observation") as batch:
        for name, _ in OBSERVED:
            batch.drop_column(name)
    with op.batch_alter_table("difference") as batch:
        batch.drop_column("forced_through")
    op.drop_index(op.f("ix_candidate_match_state"), table_name="candidate_match")
    op.drop_table("candidate_match")

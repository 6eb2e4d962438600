"""Keep what surveys tell: their names of objects, and the history in their packets"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "survey_object",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("sky_object_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sky_object_id"], ["sky_object.id"], name=op.f("fk_survey_object_sky_object_id_sky_object")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_object")),
        sa.UniqueConstraint("external_id", "source", name=op.f("uq_survey_object_external_id_source")),
    )
    op.create_index(op.f("ix_survey_object_sky_object_id"), "survey_object", ["sky_object_id"], unique=False)
    op.create_table(
        "survey_flux",
        sa.Column("sky_object_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("mjd", sa.Float(), nullable=False),
        sa.Column("filter", sa.String(), nullable=True),
        sa.Column("flux", sa.Float(), nullable=True),
        sa.Column("flux_err", sa.Float(), nullable=True),
        sa.Column("flux_unit", sa.String(), nullable=False),
        sa.Column("zeropoint", sa.Float(), nullable=True),
        sa.Column("mag_system", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["sky_object_id"], ["sky_object.id"], name=op.f("fk_survey_flux_sky_object_id_sky_object")
        ),
        sa.PrimaryKeyConstraint("sky_object_id", "source", "external_id", name=op.f("pk_survey_flux")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("survey_flux")
    op.drop_index(op.f("ix_survey_object_sky_object_id"), table_name="survey_object")
    op.drop_table("survey_object")

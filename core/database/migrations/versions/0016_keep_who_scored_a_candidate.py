"""Keep who scored a candidate

Alerts have no frame whose record says so, and what is scored anew differs from what its frame's record says.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scoring",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("told", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scoring")),
        sa.UniqueConstraint("told", name=op.f("uq_scoring_told")),
    )
    op.add_column("candidate", sa.Column("scoring_id", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("candidate", "scoring_id")
    op.drop_table("scoring")

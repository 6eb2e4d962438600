"""Keep the scatter of the registration"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("difference", sa.Column("registration_scatter_px", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("difference", "registration_scatter_px")

"""Keep the airmass of frames"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("observation", sa.Column("airmass", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("observation", "airmass")

"""Photos that citizens send while they talk to a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "handover_0002"
down_revision = "handover_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("handover_entries", sa.Column("photos", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("handover_entries", "photos")

"""Batches of operations at Mailchimp: found again after a crash, one at a time per connection.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute("set local lock_timeout = '5s'")
    execute("alter table batch add column connection_id uuid")
    execute("alter table batch add column vendor_id varchar")
    execute(
        "create unique index uq_batch_bulk on batch (tenant_id, connection_id)"
        " where kind = 'bulk' and state = 'sending'"
    )


def downgrade() -> None:
    execute("set local lock_timeout = '5s'")
    execute("update batch set state = 'done' where kind = 'bulk'")
    execute("drop index uq_batch_bulk")
    execute("alter table batch drop column vendor_id")
    execute("alter table batch drop column connection_id")


def execute(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement)

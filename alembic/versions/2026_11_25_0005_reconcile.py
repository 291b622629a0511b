"""What a reconcile run compares, and keys the source no longer names.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CREATE = """
create table reconcile_key (
    tenant_id uuid not null,
    run_id uuid not null,
    key varchar not null,
    constraint pk_reconcile_key primary key (tenant_id, run_id, key)
);
create table reconcile_member (
    tenant_id uuid not null,
    run_id uuid not null,
    member_hash bytea not null,
    fields bytea not null,
    tags varchar[] not null,
    email bytea,
    constraint pk_reconcile_member primary key (tenant_id, run_id, member_hash)
);
create table absence (
    tenant_id uuid not null,
    sync_id uuid not null,
    key varchar not null,
    scans integer not null,
    run_id uuid not null,
    first_missed_at timestamptz default now() not null,
    constraint pk_absence primary key (tenant_id, sync_id, key)
);

alter table sync_run add column drift jsonb;
"""
TABLES = ("reconcile_key", "reconcile_member", "absence")


def upgrade() -> None:
    execute("set local lock_timeout = '5s'")
    for statement in CREATE.split(";"):
        execute(statement)
    for table in TABLES:
        execute(f"alter table {table} enable row level security")
        execute(f"alter table {table} force row level security")
        execute(
            f"create policy tenant_only on {table}"
            " using (tenant_id = mlc_tenant()) with check (tenant_id = mlc_tenant())"
        )
        execute(f"grant select, insert, update, delete on {table} to mlc_app")
        execute(f"grant delete on {table} to mlc_system")
        execute(f"grant select (tenant_id) on {table} to mlc_system")


def downgrade() -> None:
    execute("set local lock_timeout = '5s'")
    for table in TABLES:
        execute(f"drop table {table}")
    execute("alter table sync_run drop column drift")


def execute(statement: str) -> None:
    if statement.strip():
        op.get_bind().exec_driver_sql(statement)

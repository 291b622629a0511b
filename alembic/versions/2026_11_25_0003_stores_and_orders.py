"""Stores with their products and customers, credit memos, and documents that wait.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

HASH_PARTITIONS = 8
TABLES = ("store", "store_item", "store_backfill", "credit_memo", "waiting_document")
SYSTEM_READS = {"store": "tenant_id, id", "store_backfill": "tenant_id, run_id, store, not_before, created_at"}

CREATE = """
create table store (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    connection_id uuid not null,
    store_id varchar not null,
    constraint pk_store primary key (tenant_id, id),
    constraint uq_store_tenant_id_connection_id_store_id unique (tenant_id, connection_id, store_id),
    constraint fk_store_tenant_id_connection_id foreign key(tenant_id, connection_id) references connection (tenant_id, id) on delete cascade
);

create table store_item (
    tenant_id uuid not null,
    store uuid not null,
    kind varchar not null,
    key varchar not null,
    fingerprint bytea not null,
    member_hash bytea,
    changed_at timestamptz default now() not null,
    constraint pk_store_item primary key (tenant_id, store, kind, key)
)
 partition by hash (tenant_id);
create index ix_store_item_member_hash on store_item (tenant_id, member_hash);

create table store_backfill (
    tenant_id uuid not null,
    run_id uuid not null,
    store uuid not null,
    not_before timestamptz,
    created_at timestamptz default now() not null,
    constraint pk_store_backfill primary key (tenant_id, run_id),
    constraint fk_store_backfill_tenant_id_store foreign key(tenant_id, store) references store (tenant_id, id) on delete cascade
);
create index ix_store_backfill_not_before on store_backfill (not_before) where not_before is not null;

create table credit_memo (
    tenant_id uuid not null,
    sync_id uuid not null,
    number varchar not null,
    original varchar not null,
    total numeric not null,
    tax numeric not null,
    constraint pk_credit_memo primary key (tenant_id, sync_id, number),
    constraint fk_credit_memo_tenant_id_sync_id foreign key(tenant_id, sync_id) references sync (tenant_id, id) on delete cascade
);
create index ix_credit_memo_original on credit_memo (tenant_id, sync_id, original);

create table waiting_document (
    tenant_id uuid not null,
    sync_id uuid not null,
    number varchar not null,
    waits_for varchar not null,
    constraint pk_waiting_document primary key (tenant_id, sync_id, number),
    constraint fk_waiting_document_tenant_id_sync_id foreign key(tenant_id, sync_id) references sync (tenant_id, id) on delete cascade
);
create index ix_waiting_document_waits_for on waiting_document (tenant_id, sync_id, waits_for);
"""


def upgrade() -> None:
    execute("set local lock_timeout = '5s'")
    for statement in CREATE.split(";"):
        execute(statement)
    for number in range(HASH_PARTITIONS):
        execute(
            f"create table store_item_part_{number} partition of store_item"
            f" for values with (modulus {HASH_PARTITIONS}, remainder {number})"
        )
        protect(f"store_item_part_{number}")
    for table in TABLES:
        protect(table)
        execute(f"grant select, insert, update, delete on {table} to mlc_app")
        execute(f"grant select (tenant_id), delete on {table} to mlc_system")
    for table, columns in SYSTEM_READS.items():
        execute(f"grant select ({columns}) on {table} to mlc_system")
        execute(f"create policy system_reads on {table} for select to mlc_system using (true)")


def protect(table: str) -> None:
    """Row-level security, as for every table of tenants."""
    execute(f"alter table {table} enable row level security")
    execute(f"alter table {table} force row level security")
    execute(
        f"create policy tenant_only on {table} using (tenant_id = mlc_tenant()) with check (tenant_id = mlc_tenant())"
    )


def execute(statement: str) -> None:
    if statement.strip():
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    for table in reversed(TABLES):
        execute(f"drop table {table} cascade")

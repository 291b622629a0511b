"""Webhooks and what they brought, the consent ledger, erasures and whom they must keep out.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

HASH_PARTITIONS = 8
TABLES = ("webhook", "webhook_path", "webhook_event", "consent_event", "suppression", "erasure")

CREATE = """
create table webhook (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    connection_id uuid not null,
    kind varchar not null,
    list_id varchar,
    state varchar not null,
    state_reason varchar,
    checked_at timestamptz,
    updated_at timestamptz default now() not null,
    constraint pk_webhook primary key (tenant_id, id),
    constraint uq_webhook_tenant_id_connection_id_kind_list_id unique nulls not distinct (tenant_id, connection_id, kind, list_id),
    constraint fk_webhook_tenant_id_connection_id foreign key(tenant_id, connection_id) references connection (tenant_id, id) on delete cascade
);

create table webhook_path (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    webhook_id uuid not null,
    key_id varchar not null,
    secret_hash bytea not null,
    base_url varchar not null,
    remote_id varchar,
    signing_secret bytea,
    expires_at timestamptz,
    last_used_at timestamptz,
    constraint pk_webhook_path primary key (tenant_id, id),
    constraint uq_webhook_path_key_id unique (key_id),
    constraint fk_webhook_path_tenant_id_webhook_id foreign key(tenant_id, webhook_id) references webhook (tenant_id, id) on delete cascade
);
create index ix_webhook_path_webhook_id on webhook_path (tenant_id, webhook_id);

create table webhook_event (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    webhook_id uuid not null,
    kind varchar not null,
    type varchar not null,
    list_id varchar,
    fired_at timestamptz,
    dedup bytea not null,
    subject bytea,
    former_subject bytea,
    body bytea,
    signed boolean not null,
    deliveries integer default 1 not null,
    state varchar default 'received' not null,
    outcome varchar,
    processed_at timestamptz,
    constraint pk_webhook_event primary key (tenant_id, id),
    constraint uq_webhook_event_tenant_id_dedup unique (tenant_id, dedup)
);
create index ix_webhook_event_newest on webhook_event (tenant_id, created_at, id);
create index ix_webhook_event_subject on webhook_event (tenant_id, subject, created_at) where subject is not null;
create index ix_webhook_event_former_subject on webhook_event (tenant_id, former_subject, created_at) where former_subject is not null;
create index ix_webhook_event_received on webhook_event (tenant_id, created_at) where state = 'received';

create table consent_event (
    tenant_id uuid not null,
    member_hash bytea not null,
    id uuid default gen_random_uuid() not null,
    at timestamptz default clock_timestamp() not null,
    audience_id uuid,
    status varchar not null,
    before varchar,
    cause varchar not null,
    said_at timestamptz,
    run_id uuid,
    webhook_event_id uuid,
    constraint pk_consent_event primary key (tenant_id, member_hash, id)
)
 partition by hash (tenant_id);

create table suppression (
    tenant_id uuid not null,
    subject bytea not null,
    erasure_id uuid not null,
    created_at timestamptz default now() not null,
    constraint pk_suppression primary key (tenant_id, subject)
);

create table erasure (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    subject bytea not null,
    email bytea,
    state varchar not null,
    reason varchar,
    passes integer not null,
    steps jsonb not null,
    watched jsonb not null,
    attempt integer not null,
    not_before timestamptz,
    lease_until timestamptz,
    finished_at timestamptz,
    updated_at timestamptz default now() not null,
    constraint pk_erasure primary key (tenant_id, id)
);
create index ix_erasure_newest on erasure (tenant_id, created_at);
create index ix_erasure_open on erasure (created_at) where finished_at is null;
create unique index uq_erasure_open on erasure (tenant_id, subject) where finished_at is null;

alter table audience add column pull_claimed_at timestamptz;

create index ix_audit_event_subject on audit_event (tenant_id, subject, seq) where code is null and subject is not null;
"""

# What the sweeper and the public paths may see of all tenants: no body, no person.
SYSTEM_READS = {
    "webhook": "tenant_id, id, created_at, connection_id, kind, list_id, state, checked_at",
    "webhook_path": "tenant_id, id, webhook_id, key_id, secret_hash, base_url, signing_secret, expires_at, last_used_at",
    "webhook_event": "tenant_id, id, created_at, state",
    "erasure": "tenant_id, id, created_at, state, not_before, lease_until, finished_at",
    "consent_event": "tenant_id",
    "suppression": "tenant_id",
}


def upgrade() -> None:
    execute("set local lock_timeout = '5s'")
    for statement in CREATE.split(";"):
        execute(statement)
    for number in range(HASH_PARTITIONS):
        execute(
            f"create table consent_event_part_{number} partition of consent_event"
            f" for values with (modulus {HASH_PARTITIONS}, remainder {number})"
        )
        protect(f"consent_event_part_{number}")
    for table in TABLES:
        protect(table)
        execute(f"grant select, insert, update, delete on {table} to mlc_app")
        execute(f"grant delete on {table} to mlc_system")
    execute("revoke update on consent_event from mlc_app")
    for table, columns in SYSTEM_READS.items():
        execute(f"grant select ({columns}) on {table} to mlc_system")
    for table in ("webhook", "webhook_path", "webhook_event", "erasure", "audience"):
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
    execute("drop policy system_reads on audience")
    execute("drop index ix_audit_event_subject")
    execute("alter table audience drop column pull_claimed_at")
    for table in reversed(TABLES):
        execute(f"drop table {table} cascade")

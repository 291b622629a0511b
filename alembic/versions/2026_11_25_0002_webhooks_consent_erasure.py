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


# A delivery is looked up and stored in one round trip each. Both run as one of the two roles, so row-level security
# holds inside: the first sees what the system role may see, the second writes for exactly the tenant it is given.
FIND_PATH = """
create function mlc_find_path(varchar) returns table (
    tenant_id uuid, id uuid, webhook_id uuid, secret_hash bytea, base_url varchar, signing_secret bytea, kind varchar,
    data_key bytea, data_key_id varchar, is_stale boolean)
language sql stable security definer set search_path = pg_catalog, public as $$
    select p.tenant_id, p.id, p.webhook_id, p.secret_hash, p.base_url, p.signing_secret, w.kind, t.data_key,
           t.data_key_id, p.last_used_at is null or p.last_used_at < clock_timestamp() - interval '1 minute'
    from public.webhook_path p join public.webhook w on w.tenant_id = p.tenant_id and w.id = p.webhook_id
    join public.tenant t on t.id = p.tenant_id
    where p.key_id = $1 and t.data_key <> '' and (p.expires_at is null or p.expires_at > clock_timestamp())
$$
"""
STORE_EVENTS = """
create function mlc_store_events(
    tenant uuid, webhook uuid, path uuid, note_use boolean, kind varchar, signed boolean, ids uuid[], types varchar[],
    lists varchar[], fired timestamptz[], dedups bytea[], subjects bytea[], former_subjects bytea[], bodies bytea[])
returns bigint language sql volatile security definer set search_path = pg_catalog, public as $$
    select set_config('mlc.tenant', $1::text, true);
    update public.webhook_path p set last_used_at = clock_timestamp() where $4 and p.tenant_id = $1 and p.id = $3;
    with stored as (
        insert into public.webhook_event as w (tenant_id, webhook_id, kind, signed, id, type, list_id, fired_at, dedup,
                                               subject, former_subject, body)
        select $1, $2, $5, $6, e.* from unnest($7, $8, $9, $10, $11, $12, $13, $14) as e
        on conflict (tenant_id, dedup) do update set deliveries = w.deliveries + 1
        returning w.deliveries = 1 as is_new)
    select count(*) filter (where is_new) from stored;
$$
"""
FUNCTIONS = {"mlc_find_path(varchar)": "mlc_system"} | {
    "mlc_store_events(uuid, uuid, uuid, boolean, varchar, boolean, uuid[], varchar[], varchar[], timestamptz[], bytea[],"
    " bytea[], bytea[], bytea[])": "mlc_app"
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
    execute(FIND_PATH)
    execute(STORE_EVENTS)
    for function, role in FUNCTIONS.items():
        execute(f"grant create on schema public to {role}")  # to become an owner; taken back at once
        execute(f"alter function {function} owner to {role}")
        execute(f"revoke create on schema public from {role}")
        execute(f"revoke all on function {function} from public")
        execute(f"grant execute on function {function} to mlc_app, mlc_system")


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
    for function in FUNCTIONS:
        execute(f"drop function {function}")
    execute("drop policy system_reads on audience")
    execute("drop index ix_audit_event_subject")
    execute("alter table audience drop column pull_claimed_at")
    for table in reversed(TABLES):
        execute(f"drop table {table} cascade")

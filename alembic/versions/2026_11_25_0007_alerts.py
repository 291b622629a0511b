"""Alerts: whom to tell, what needs attention, and every message about it.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("alert_channel", "alert", "alert_delivery")

CREATE = """
create table alert_channel (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    name varchar not null,
    kind varchar not null,
    url varchar,
    settings jsonb not null,
    sealed bytea not null,
    events jsonb not null,
    thresholds jsonb not null,
    sync_ids jsonb,
    enabled boolean not null,
    state varchar not null,
    state_reason varchar,
    tested_at timestamptz,
    version integer not null,
    updated_at timestamptz default now() not null,
    constraint pk_alert_channel primary key (tenant_id, id),
    constraint fk_alert_channel_tenant_id foreign key(tenant_id) references tenant (id) on delete cascade
);

create table alert (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    kind varchar not null,
    subject_id uuid not null,
    name varchar not null,
    sync_id uuid,
    connection_id uuid,
    run_id uuid,
    state varchar not null,
    sentence varchar not null,
    opened_at timestamptz default now() not null,
    resolved_at timestamptz,
    constraint pk_alert primary key (tenant_id, id),
    constraint fk_alert_tenant_id foreign key(tenant_id) references tenant (id) on delete cascade
);
create unique index uq_alert_open on alert (tenant_id, kind, subject_id) where state = 'open';
create index ix_alert_newest on alert (tenant_id, opened_at, id);

create table alert_delivery (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    channel_id uuid not null,
    alert_id uuid,
    seq integer not null,
    phase varchar not null,
    message jsonb not null,
    state varchar not null,
    folded_into uuid,
    attempts integer not null,
    next_try_at timestamptz default now() not null,
    last_status integer,
    last_sentence varchar,
    delivered_at timestamptz,
    constraint pk_alert_delivery primary key (tenant_id, id),
    constraint uq_alert_delivery_tenant_id_alert_id_channel_id_seq unique (tenant_id, alert_id, channel_id, seq),
    constraint fk_alert_delivery_tenant_id_alert_id foreign key(tenant_id, alert_id) references alert (tenant_id, id) on delete cascade,
    constraint fk_alert_delivery_tenant_id_channel_id foreign key(tenant_id, channel_id) references alert_channel (tenant_id, id) on delete cascade
);
create index ix_alert_delivery_pending on alert_delivery (tenant_id, channel_id, next_try_at) where state = 'pending';
create index ix_alert_delivery_recent on alert_delivery (tenant_id, channel_id, delivered_at) where delivered_at is not null;
create index ix_alert_delivery_created_at on alert_delivery (tenant_id, created_at);

alter table sync add column active_since timestamptz;
"""

# What the sweeper may see of all tenants: no receiver, no secret, no text.
SYSTEM_READS = {
    "alert_channel": "tenant_id, id, created_at, events, thresholds, sync_ids, enabled",
    "alert": "tenant_id, id, created_at, kind, subject_id, name, sync_id, connection_id, run_id, state, sentence, opened_at, resolved_at",
    "alert_delivery": "tenant_id, id, created_at, channel_id, alert_id, seq, phase, state, next_try_at",
}


def upgrade() -> None:
    execute("set local lock_timeout = '5s'")
    for statement in CREATE.split(";"):
        execute(statement)
    for table in TABLES:
        protect(table)
        execute(f"grant select, insert, update, delete on {table} to mlc_app")
        execute(f"grant select ({SYSTEM_READS[table]}), delete on {table} to mlc_system")
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
    execute("set local lock_timeout = '5s'")
    execute("alter table sync drop column active_since")
    for table in reversed(TABLES):
        execute(f"drop table {table} cascade")

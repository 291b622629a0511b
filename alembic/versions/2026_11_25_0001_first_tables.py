"""The first tables, their partitions, roles and row-level security.

Revision ID: 0001
Revises:
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

HASH_PARTITIONS = 8
TENANT_TABLES = (
    "api_key", "connection", "mapping", "mapping_version", "sync", "sync_run", "batch", "audience", "audience_member",
    "record", "change_page", "dead_letter", "audit_head", "audit_event", "idempotency_key",
)  # fmt: skip
# What the cross-tenant role may read: enough for sweeper, sign-in and operator lists, no personal data.
SYSTEM_READS = ("api_key", "sync", "sync_run", "connection", "dead_letter")

TABLES = """
create table tenant (
    id uuid not null,
    slug varchar not null,
    name varchar not null,
    time_zone varchar not null,
    data_key bytea not null,
    data_key_id varchar not null,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint pk_tenant primary key (id),
    constraint uq_tenant_slug unique (slug)
);

create table api_key (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    name varchar not null,
    role varchar not null,
    key_id varchar not null,
    secret_hash bytea not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    constraint pk_api_key primary key (tenant_id, id),
    constraint uq_api_key_key_id unique (key_id),
    constraint fk_api_key_tenant_id foreign key(tenant_id) references tenant (id) on delete cascade
);

create table connection (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    name varchar not null,
    system varchar not null,
    kind varchar not null,
    url varchar,
    settings jsonb not null,
    facts jsonb not null,
    credential bytea,
    credential_version integer not null,
    state varchar not null,
    state_reason varchar,
    version integer not null,
    updated_at timestamptz default now() not null,
    constraint pk_connection primary key (tenant_id, id),
    constraint fk_connection_tenant_id foreign key(tenant_id) references tenant (id) on delete cascade
);

create table mapping (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    name varchar not null,
    stream varchar not null,
    version integer not null,
    updated_at timestamptz default now() not null,
    constraint pk_mapping primary key (tenant_id, id),
    constraint fk_mapping_tenant_id foreign key(tenant_id) references tenant (id) on delete cascade
);

create table mapping_version (
    tenant_id uuid not null,
    mapping_id uuid not null,
    version integer not null,
    name varchar not null,
    definition jsonb not null,
    created_at timestamptz default now() not null,
    constraint pk_mapping_version primary key (tenant_id, mapping_id, version),
    constraint fk_mapping_version_tenant_id_mapping_id foreign key(tenant_id, mapping_id) references mapping (tenant_id, id) on delete cascade
);

create table sync (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    name varchar not null,
    stream varchar not null,
    source_connection_id uuid not null,
    target_connection_id uuid not null,
    mapping_id uuid not null,
    target jsonb not null,
    filter jsonb,
    new_member_status varchar not null,
    inactive jsonb not null,
    schedule jsonb not null,
    brake jsonb not null,
    reconcile jsonb not null,
    enabled boolean not null,
    state varchar not null,
    state_reason varchar,
    watermark timestamptz,
    watermark_mapping_version integer,
    watermark_settings varchar,
    last_success_at timestamptz,
    next_due_at timestamptz,
    failures integer not null,
    version integer not null,
    updated_at timestamptz default now() not null,
    constraint pk_sync primary key (tenant_id, id),
    constraint fk_sync_tenant_id_source_connection_id foreign key(tenant_id, source_connection_id) references connection (tenant_id, id),
    constraint fk_sync_tenant_id_target_connection_id foreign key(tenant_id, target_connection_id) references connection (tenant_id, id),
    constraint fk_sync_tenant_id_mapping_id foreign key(tenant_id, mapping_id) references mapping (tenant_id, id)
);
create index ix_sync_due on sync (next_due_at) where enabled and state = 'active';

create table sync_run (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    sync_id uuid not null,
    mode varchar not null,
    dry_run boolean not null,
    trigger varchar not null,
    codes jsonb,
    mapping_id uuid not null,
    mapping_version integer not null,
    state varchar not null,
    reason varchar,
    reason_code varchar,
    fence bigint not null,
    owner varchar,
    lease_until timestamptz,
    not_before timestamptz,
    attempt integer not null,
    stalls integer not null,
    cancel_requested boolean not null,
    approved boolean not null,
    start_mark timestamptz,
    lower_bound timestamptz,
    position jsonb,
    n_read bigint not null,
    n_created bigint not null,
    n_updated bigint not null,
    n_unchanged bigint not null,
    n_skipped bigint not null,
    n_rejected bigint not null,
    skipped_by_reason jsonb not null,
    pages integer not null,
    expected_records bigint,
    warnings jsonb not null,
    watermark_before timestamptz,
    watermark_after timestamptz,
    queued_at timestamptz default now() not null,
    started_at timestamptz,
    finished_at timestamptz,
    updated_at timestamptz default now() not null,
    constraint pk_sync_run primary key (tenant_id, id),
    constraint fk_sync_run_tenant_id_sync_id foreign key(tenant_id, sync_id) references sync (tenant_id, id) on delete cascade
);
create index ix_sync_run_newest on sync_run (tenant_id, sync_id, queued_at);
create index ix_sync_run_open on sync_run (state) where state in ('queued', 'running');
create unique index uq_sync_run_active on sync_run (tenant_id, sync_id) where state in ('running', 'halted');
create unique index uq_sync_run_queued on sync_run (tenant_id, sync_id) where state = 'queued' and not dry_run and codes is null;

create table batch (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    run_id uuid not null,
    fence bigint not null,
    audience_id uuid not null,
    kind varchar not null,
    state varchar not null,
    members bytea not null,
    sent_at timestamptz default now() not null,
    done_at timestamptz,
    constraint pk_batch primary key (tenant_id, id),
    constraint fk_batch_tenant_id_run_id foreign key(tenant_id, run_id) references sync_run (tenant_id, id) on delete cascade
);
create index ix_batch_sending on batch (tenant_id, audience_id) where state = 'sending';

create table audience (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    connection_id uuid not null,
    list_id varchar not null,
    pulled_through timestamptz,
    pulled_whole_at timestamptz,
    constraint pk_audience primary key (tenant_id, id),
    constraint uq_audience_tenant_id_connection_id_list_id unique (tenant_id, connection_id, list_id),
    constraint fk_audience_tenant_id_connection_id foreign key(tenant_id, connection_id) references connection (tenant_id, id) on delete cascade
);

create table audience_member (
    tenant_id uuid not null,
    audience_id uuid not null,
    member_hash bytea not null,
    status varchar not null,
    last_changed timestamptz,
    constraint pk_audience_member primary key (tenant_id, audience_id, member_hash)
)
 partition by hash (tenant_id);

create table record (
    tenant_id uuid not null,
    sync_id uuid not null,
    key varchar not null,
    id uuid default gen_random_uuid() not null,
    code varchar not null,
    state varchar not null,
    reason varchar,
    member_hash bytea,
    fingerprint bytea,
    email bytea,
    tags varchar not null,
    flags smallint not null,
    is_active boolean not null,
    mapping_version integer not null,
    run_id uuid not null,
    changed_at timestamptz default now() not null,
    constraint pk_record primary key (tenant_id, sync_id, key)
)
 partition by hash (tenant_id);
create index ix_record_code on record (tenant_id, code);
create index ix_record_id on record (tenant_id, id);
create index ix_record_member_hash on record (tenant_id, member_hash);

create table change_page (
    tenant_id uuid not null,
    run_id uuid not null,
    page integer not null,
    sync_id uuid not null,
    entries integer not null,
    body bytea not null,
    created_at timestamptz default now() not null,
    constraint pk_change_page primary key (tenant_id, run_id, page)
);

create table dead_letter (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    sync_id uuid not null,
    run_id uuid not null,
    key varchar not null,
    code varchar not null,
    reason varchar not null,
    message varchar not null,
    field varchar,
    payload bytea,
    state varchar not null,
    attempts integer not null,
    updated_at timestamptz default now() not null,
    constraint pk_dead_letter primary key (tenant_id, id),
    constraint fk_dead_letter_tenant_id_sync_id foreign key(tenant_id, sync_id) references sync (tenant_id, id) on delete cascade
);
create index ix_dead_letter_newest on dead_letter (tenant_id, created_at);
create unique index uq_dead_letter_open on dead_letter (tenant_id, sync_id, key) where state = 'open';

create table audit_head (
    tenant_id uuid not null,
    seq bigint not null,
    hash bytea not null,
    constraint pk_audit_head primary key (tenant_id)
);

create table audit_event (
    tenant_id uuid not null,
    seq bigint not null,
    at timestamptz not null,
    actor varchar not null,
    action varchar not null,
    object_id uuid,
    sync_id uuid,
    run_id uuid,
    page integer,
    code varchar,
    subject bytea,
    reason varchar,
    detail jsonb,
    hash bytea not null,
    constraint pk_audit_event primary key (tenant_id, seq, at)
)
 partition by range (at);
create index ix_audit_event_code on audit_event (tenant_id, code, seq);
create index ix_audit_event_run on audit_event (tenant_id, run_id, seq);

create table idempotency_key (
    tenant_id uuid not null,
    scope varchar not null,
    key varchar not null,
    request_hash bytea not null,
    state varchar not null,
    locked_until timestamptz,
    status integer,
    content_type varchar,
    location varchar,
    body bytea,
    created_at timestamptz default now() not null,
    constraint pk_idempotency_key primary key (tenant_id, scope, key)
);
"""

ROLES = """
do $$
declare wanted text;
begin
  foreach wanted in array array['mlc_app', 'mlc_system'] loop
    begin
      execute format('create role %I nologin', wanted);
    exception when duplicate_object or unique_violation then null;
    end;
    execute format('grant %I to %I', wanted, current_user);
    execute format('grant usage on schema public to %I', wanted);
  end loop;
end $$
"""

PARTITIONS = f"""
do $$
begin
  for n in 0..{HASH_PARTITIONS - 1} loop
    execute format('create table record_part_%s partition of record for values with (modulus {HASH_PARTITIONS}, remainder %s)', n, n);
    execute format('create table audience_member_part_%s partition of audience_member for values with (modulus {HASH_PARTITIONS}, remainder %s)', n, n);
  end loop;
end $$;
create table audit_event_part_rest partition of audit_event default;
"""

# Months are made ahead by the sweeper through this function; it runs as the owner, since the roles may create nothing.
MONTHS = """
create function mlc_make_audit_month(month date) returns void language plpgsql security definer
set search_path = pg_catalog, public as $$
declare
  start date := date_trunc('month', month)::date;
  name text := 'audit_event_part_' || to_char(start, 'YYYY_MM');
begin
  if to_regclass('public.' || name) is not null then return; end if;
  execute format('create table public.%I partition of public.audit_event for values from (%L) to (%L)',
                 name, start::timestamptz, (start + interval '1 month')::timestamptz);
  execute format('alter table public.%I enable row level security', name);
  execute format('alter table public.%I force row level security', name);
  execute format('create policy tenant_only on public.%I using (tenant_id = public.mlc_tenant()) with check (tenant_id = public.mlc_tenant())', name);
end $$;
revoke all on function mlc_make_audit_month(date) from public;
grant execute on function mlc_make_audit_month(date) to mlc_system;
select mlc_make_audit_month(current_date);
select mlc_make_audit_month((current_date + interval '1 month')::date);
"""

TENANT_FUNCTION = """
create function mlc_tenant() returns uuid language sql stable parallel safe
return nullif(current_setting('mlc.tenant', true), '')::uuid
"""


def upgrade() -> None:
    run("set local lock_timeout = '5s'")
    run(ROLES)
    run(TENANT_FUNCTION)
    run(TABLES)
    run(PARTITIONS)
    protect_tenant()
    for table in TENANT_TABLES:
        protect(table)
    for table in SYSTEM_READS:
        run(f"create policy system_reads on {table} for select to mlc_system using (true)")
        run(f"grant select on {table} to mlc_system")
    run("create policy system_notes_use on api_key for update to mlc_system using (true)")
    run("grant update (last_used_at) on api_key to mlc_system")
    run("revoke update, delete on audit_event from mlc_app")
    protect_partitions()
    run(MONTHS)


def run(script: str) -> None:
    """One statement at a time, since asyncpg prepares each; what stands between dollar quotes stays whole."""
    pending = ""
    for number, piece in enumerate(script.split("$$")):
        if number % 2:
            pending += f"$${piece}$$"
            continue
        *whole, rest = piece.split(";")
        for statement in whole:
            execute(pending + statement)
            pending = ""
        pending += rest
    execute(pending)


def execute(statement: str) -> None:
    if statement.strip():
        op.get_bind().exec_driver_sql(statement)


def protect(table: str) -> None:
    """Row-level security for one tenant table, and what each role may do with it."""
    run(f"alter table {table} enable row level security")
    run(f"alter table {table} force row level security")
    run(f"create policy tenant_only on {table} using (tenant_id = mlc_tenant()) with check (tenant_id = mlc_tenant())")
    run(f"grant select, insert, update, delete on {table} to mlc_app")
    run(f"grant select, delete on {table} to mlc_system")


def protect_tenant() -> None:
    """A tenant sees its own row; the system role sees, makes and removes all."""
    run("alter table tenant enable row level security")
    run("alter table tenant force row level security")
    run("create policy tenant_only on tenant using (id = mlc_tenant()) with check (id = mlc_tenant())")
    run("create policy system_all on tenant to mlc_system using (true) with check (true)")
    run("grant select, update on tenant to mlc_app")
    run("grant select, insert, update, delete on tenant to mlc_system")


def protect_partitions() -> None:
    run(
        """
        do $$
        declare part record;
        begin
          for part in select relname from pg_class where relname like '%\\_part\\_%' and relkind = 'r'
                      and relnamespace = 'public'::regnamespace loop
            execute format('alter table %I enable row level security', part.relname);
            execute format('alter table %I force row level security', part.relname);
            execute format('create policy tenant_only on %I using (tenant_id = mlc_tenant()) with check (tenant_id = mlc_tenant())', part.relname);
          end loop;
        end $$
        """
    )


def downgrade() -> None:
    for table in (*reversed(TENANT_TABLES), "tenant"):
        run(f"drop table if exists {table} cascade")
    run("drop function mlc_make_audit_month(date)")
    run("drop function mlc_tenant()")

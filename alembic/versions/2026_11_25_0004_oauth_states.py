"""Sign-ins under way at the vendors.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CREATE = """
create table oauth_state (
    tenant_id uuid not null,
    id uuid not null,
    created_at timestamptz default now() not null,
    connection_id uuid not null,
    api_key_id uuid,
    actor varchar not null,
    state_hash bytea,
    application bytea not null,
    redirect_uri varchar not null,
    expires_at timestamptz not null,
    late_until timestamptz,
    phase varchar not null,
    answer bytea,
    next_try_at timestamptz,
    tries integer not null,
    constraint pk_oauth_state primary key (tenant_id, id),
    constraint uq_oauth_state_state_hash unique (state_hash),
    constraint fk_oauth_state_tenant_id_connection_id foreign key(tenant_id, connection_id) references connection (tenant_id, id) on delete cascade,
    constraint fk_oauth_state_tenant_id_api_key_id foreign key(tenant_id, api_key_id) references api_key (tenant_id, id) on delete cascade
);
create index ix_oauth_state_connection_id on oauth_state (tenant_id, connection_id);
create index ix_oauth_state_open on oauth_state (next_try_at) where next_try_at is not null;

alter table oauth_state enable row level security;
alter table oauth_state force row level security;
create policy tenant_only on oauth_state using (tenant_id = mlc_tenant()) with check (tenant_id = mlc_tenant());
grant select, insert, update, delete on oauth_state to mlc_app;

grant select (tenant_id, id, connection_id, api_key_id, state_hash, expires_at, late_until, phase, next_try_at) on oauth_state to mlc_system;
grant delete on oauth_state to mlc_system;
create policy system_reads on oauth_state for select to mlc_system using (true);
create policy system_forgets on oauth_state for delete to mlc_system using (true);
"""


def upgrade() -> None:
    execute("set local lock_timeout = '5s'")
    for statement in CREATE.split(";"):
        execute(statement)


def execute(statement: str) -> None:
    if statement.strip():
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    execute("drop table oauth_state")

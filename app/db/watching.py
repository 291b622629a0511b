"""What alerts look at: the present state of syncs, runs and connections, of one tenant or of all."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

_LOOKED_AT = 50
_OURS = "($1::uuid is null or t.id = $1) and t.data_key <> ''"

# The run whose share of rejected records counts: the newest whole one that read enough, while any dead letter is open.
# Where the last ones read too little, the one the open alert names goes on counting.
_WEIGHED = f"""
case when exists (select from dead_letter d where d.tenant_id = s.tenant_id and d.sync_id = s.id and d.state = 'open')
     then coalesce(
       (select jsonb_build_array(r.id, r.n_read, r.n_rejected)
          from (select * from sync_run where tenant_id = s.tenant_id and sync_id = s.id and not dry_run
                   and codes is null and mode <> 'replay' and state in ('succeeded', 'partially_failed')
                 order by queued_at desc limit {_LOOKED_AT}) r
         where r.n_read >= $2 order by r.queued_at desc limit 1),
       (select jsonb_build_array(r.id, r.n_read, r.n_rejected)
          from alert a join sync_run r on r.tenant_id = a.tenant_id and r.id = a.run_id
         where a.tenant_id = s.tenant_id and a.subject_id = s.id and a.kind = 'run.rejections' and a.state = 'open'))
end
"""
SYNCS = f"""
select s.tenant_id, s.id, s.name, s.state, s.state_reason, s.schedule, t.time_zone,
       s.enabled and s.state <> 'paused' as is_watched,
       coalesce(greatest(s.last_success_at, s.active_since), s.created_at) as fresh_at,
       s.last_success_at is null and exists (select from sync_run r where r.tenant_id = s.tenant_id
         and r.sync_id = s.id and r.state = 'running' and not r.dry_run) as is_first_load,
       n.id as run_id, n.state as run_state, n.reason as run_reason, {_WEIGHED} as weighed
  from sync s join tenant t on t.id = s.tenant_id
  left join lateral (
    select r.id, r.state, r.reason from sync_run r
     where r.tenant_id = s.tenant_id and r.sync_id = s.id and not r.dry_run
       and r.state in ('succeeded', 'partially_failed', 'failed')
     order by r.queued_at desc limit 1) n on true
 where {_OURS}
"""
HALTED = f"""
select r.tenant_id, r.id, r.sync_id, r.reason, s.name
  from sync_run r join sync s on s.tenant_id = r.tenant_id and s.id = r.sync_id join tenant t on t.id = r.tenant_id
 where r.state = 'halted' and {_OURS}
"""
_ENDS = "(c.facts ->> 'refresh_token_expires_at')::timestamptz"
CONNECTIONS = f"""
select * from (
  select c.tenant_id, c.id, c.name, c.state, c.state_reason, {_ENDS} as ends,
         array(select s.id from sync s where s.tenant_id = c.tenant_id and s.enabled and s.state <> 'paused'
                 and c.id in (s.source_connection_id, s.target_connection_id)) as syncs
    from connection c join tenant t on t.id = c.tenant_id
   where {_OURS} and (c.state = 'needs_authorization' and c.state_reason is not null
      or c.state <> 'needs_authorization' and {_ENDS} < clock_timestamp() + make_interval(days => $2))) c
 where c.state <> 'needs_authorization' or c.syncs <> '{{}}'
"""


async def syncs(connection: asyncpg.Connection, tenant_id: UUID | None, least_read: int) -> Sequence[asyncpg.Record]:
    """Every sync with its newest finished run; dry runs do not exist here. `weighed` is [run id, read, rejected] of
    the newest whole run that read at least so many records, null when nothing of the sync is rejected any more."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(SYNCS, tenant_id, least_read)
    return rows


async def halted_runs(connection: asyncpg.Connection, tenant_id: UUID | None) -> Sequence[asyncpg.Record]:
    """Runs that wait for somebody to approve or cancel them."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(HALTED, tenant_id)
    return rows


async def ending_connections(
    connection: asyncpg.Connection, tenant_id: UUID | None, days: int
) -> Sequence[asyncpg.Record]:
    """Connections whose access ends within so many days, and those in use that lost it; `syncs` are the watched ones
    that use them."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(CONNECTIONS, tenant_id, days)
    return rows

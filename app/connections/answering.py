"""Callbacks of the vendors, and another look at sign-ins that could not be completed at once.

Nobody is logged in when a callback comes: all it proves is that it knows a state we gave to a key of the tenant.
"""

import re
from collections.abc import Mapping
from uuid import UUID

import asyncpg

from app.connections.authorizing import hash_of
from app.connections.crowds import for_each, to_the_end
from app.connections.granting import Reply
from app.connections.opening import Opener
from app.connections.signing_in import Outcome, SignIn
from app.connectors.mailchimp import oauth
from app.connectors.sage_x3 import authorise
from app.db import oauth_states

_STATE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_UNKNOWN = Outcome("unknown", "This sign-in is not known, or it was answered already. Start it again if it is needed.")
_INCOMPLETE = Outcome("incomplete", "The answer holds neither a code nor a reason.")


async def answer(opener: Opener, system: str, fields: Mapping[str, str], *, patience: float) -> Outcome:
    """What a callback says, taken at its word at most once. A verification that takes more seconds than `patience`
    goes on without whoever waits.

    Its work goes on when the caller hangs up: a code that is spent, with tokens that are not stored, is lost.
    """
    state = fields.get("state", "")
    if not _STATE.fullmatch(state):
        return _UNKNOWN
    async with opener.database.system() as connection:
        found = await oauth_states.find(connection, hash_of(state))
    if found is None or found["system"] != system:
        return _UNKNOWN
    code = (oauth if system == "mailchimp" else authorise).code_in(fields)
    refusal = fields.get("error")
    if code is None and refusal is None:
        return _INCOMPLETE
    tenant_id: UUID = found["tenant_id"]
    keys = opener.vault.tenant(tenant_id, found["data_key"], found["data_key_id"])
    async with opener.database.transaction(tenant_id) as connection:
        row = await oauth_states.take(connection, tenant_id, found["id"], hash_of(state))
    if row is None:
        return _UNKNOWN
    reply = None if refusal is not None or code is None else Reply(code, fields.get("endpoint"))
    return await to_the_end(SignIn(opener, keys, row, patience).answered(reply))


async def look_again(opener: Opener) -> int:
    """Look at every sign-in that waits for a vendor; how many there were. A worker calls this now and then."""
    async with opener.database.system() as connection:
        due = await oauth_states.due(connection)
        await oauth_states.forget_old(connection)

    async def look(each: asyncpg.Record) -> None:
        keys = opener.vault.tenant(each["tenant_id"], each["data_key"], each["data_key_id"])
        async with opener.database.transaction(each["tenant_id"]) as connection:
            row = await oauth_states.claim(connection, each["tenant_id"], each["id"])
        if row is not None:
            await to_the_end(SignIn(opener, keys, row).again())

    await for_each(due, look)
    return len(due)

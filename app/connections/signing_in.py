"""One sign-in that has been answered: exchanged, stored, verified - or why not, in one sentence."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import structlog

from app.connections.crowds import to_the_end
from app.connections.granting import Grant, Reply, application_of, keep, obtain
from app.connections.opening import Opener, open_credential
from app.connections.vault import TenantKeys
from app.connections.verifying import verify_connection
from app.db import audit, oauth_states
from app.db.base import now
from app.db.connections import Connection
from app.db.engine import driver_connection
from app.db.rows import find
from app.domain.errors import ConnectorError, NeedsTenant, ProtocolMismatch, Transient
from app.domain.verification import Verification

log = structlog.get_logger(__name__)

NAMES = {"sage_x3": "Sage X3", "mailchimp": "Mailchimp"}
_SEALED = "oauth_state.answer"  # vault field; its row is the state's id
_FIRST_LOOK_SECONDS = 15.0
_VERIFY_AGAIN = timedelta(hours=2)

Kind = Literal["connected", "attention", "waiting", "declined", "refused", "expired", "unknown", "incomplete"]


class Outcome(NamedTuple):
    """How a callback ended, and the sentence for whoever sits before the browser."""

    kind: Kind
    sentence: str


_GONE = Outcome("unknown", "The connection of this sign-in no longer exists.")
_EXPIRED = Outcome("expired", "This sign-in took too long and is no longer valid. Start it again.")


class SignIn:
    """One sign-in that has been answered."""

    def __init__(self, opener: Opener, keys: TenantKeys, row: asyncpg.Record, patience: float | None = None) -> None:
        """`patience`: how many seconds whoever waits for the outcome lets the verification take."""
        self.opener, self.keys, self.row, self._patience = opener, keys, row, patience
        self.tenant_id: UUID = row["tenant_id"]

    async def answered(self, reply: Reply | None) -> Outcome:
        """The first answer; None when somebody said no."""
        connection = await self._connection()
        if connection is None:
            return _GONE
        if not self.row["in_time"] and not (self.row["late"] and connection.state == "needs_authorization"):
            await self._over("connection.authorization_expired")
            return _EXPIRED
        if reply is None:
            sentence = f"The sign-in at {NAMES[connection.system]} was declined; the connection is as it was."
            await self._over("connection.authorization_declined", reason=sentence)
            return Outcome("declined", sentence)
        return await self._exchanged(connection, reply)

    async def again(self) -> Outcome:
        """A later look at what was not ready."""
        connection = await self._connection()
        if connection is None:
            return _GONE
        if self.row["phase"] == "granted":
            return await self._looked_at(connection)
        if self.row["too_late"]:
            await self._over(
                "connection.authorization_expired", reason="Nobody approved the request in time; start it again."
            )
            return _EXPIRED
        opened = self.keys.open(self.row["answer"], self.row["id"], _SEALED)
        return await self._exchanged(connection, msgspec.json.decode(opened, type=Reply))

    async def _exchanged(self, connection: Connection, reply: Reply) -> Outcome:
        try:
            self._check(connection)
            grant = await obtain(self.opener, self.keys, connection, self.row["redirect_uri"], reply)
            connection = await self._keep(grant)
        except Transient as error:
            if connection.system == "sage_x3":
                return await self._hold(error, reply)
            return await self._refused(error, f"{error.message.rstrip('.')}; start the sign-in again.")
        except (NeedsTenant, ProtocolMismatch) as error:
            return await self._refused(error, error.message)
        return await self._looked_at(connection)

    def _check(self, connection: Connection) -> None:
        """Raises NeedsTenant unless key and application are those that began."""
        if not self.row["key_is_good"]:
            raise NeedsTenant(
                "oauth_key_gone", "The API key that began this sign-in is no longer valid; start it again."
            )
        credential = open_credential(self.keys, connection.id, connection.credential)
        if application_of(self.keys, connection, credential) != self.row["application"]:
            raise NeedsTenant("oauth_changed", "The connection was changed since; start the sign-in again.")

    async def _keep(self, grant: Grant) -> Connection:
        async with self.opener.database.session(self.tenant_id) as db:
            connection = await keep(db, self.keys, self.tenant_id, self.row["connection_id"], grant)
            driver = await driver_connection(db)
            await oauth_states.drop_others(driver, self.tenant_id, connection.id, self.row["id"])
            await self._move(driver, "granted", until=now() + _VERIFY_AGAIN)
            await self._note(driver, "connection.authorized")
        log.info("connection.authorized", connection_id=str(connection.id))
        return connection

    async def _looked_at(self, connection: Connection) -> Outcome:
        """Verify; while that fails, somebody looks again for a day, so that syncs catch up by themselves."""
        name = NAMES[connection.system]
        if self.row["phase"] == "granted" and (connection.state == "ok" or self.row["too_late"]):
            await self._drop()
            return Outcome("connected", f"{name} is connected.")
        try:
            result = await to_the_end(self._verified(connection), self._patience)
        except TimeoutError:
            return Outcome("waiting", f"You are signed in at {name}. The connection is still being verified.")
        if result.ok:
            return Outcome("connected", f"{name} is connected. You can close this window.")
        failed = next((check.detail for check in result.checks if not check.ok), "")
        return Outcome("attention", f"You are signed in at {name}, but the connection does not work yet: {failed}")

    async def _verified(self, connection: Connection) -> Verification:
        result = await verify_connection(self.opener, self.keys, connection, actor=self.row["actor"])
        if result.ok:
            await self._drop()
        return result

    async def _hold(self, error: Transient, reply: Reply) -> Outcome:
        """Keep the code until Sage is ready. Nothing is to be done for it by anybody but the approver."""
        sealed = self.keys.seal(msgspec.json.encode(reply), self.row["id"], _SEALED)
        async with self.opener.database.transaction(self.tenant_id) as connection:
            if self.row["phase"] == "taken":
                wait = max(error.retry_after or 0, _FIRST_LOOK_SECONDS)
                await self._move(connection, "waiting", answer=sealed, seconds=wait)
                await self._note(connection, "connection.authorization_waiting", code=error.code)
            await self._explain(connection, error.message)
        so_far = error.message.rstrip(".")
        return Outcome(
            "waiting", f"{so_far}. Nothing more is to be done here: the sign-in is completed as soon as it can be."
        )

    async def _refused(self, error: ConnectorError, sentence: str) -> Outcome:
        await self._over("connection.authorization_failed", code=error.code, reason=sentence)
        log.warning("connection.not_authorized", connection_id=str(self.row["connection_id"]), code=error.code)
        return Outcome("refused", sentence)

    async def _over(self, action: str, *, code: str | None = None, reason: str | None = None) -> None:
        """The end of a sign-in that brought nothing; a connection that waited for it says why it still waits."""
        async with self.opener.database.transaction(self.tenant_id) as connection:
            await oauth_states.drop(connection, self.tenant_id, self.row["id"])
            await self._note(connection, action, code=code)
            if reason is not None:
                await self._explain(connection, reason)

    async def _explain(self, connection: asyncpg.Connection, reason: str) -> None:
        await connection.execute(
            "update connection set state_reason = $3, updated_at = clock_timestamp()"
            " where tenant_id = $1 and id = $2 and state = 'needs_authorization'",
            self.tenant_id,
            self.row["connection_id"],
            reason,
        )

    async def _note(self, connection: asyncpg.Connection, action: str, *, code: str | None = None) -> None:
        event = audit.Event(action, self.row["actor"], self.row["connection_id"], reason=code)
        await audit.append(connection, self.tenant_id, [event])

    async def _move(
        self,
        connection: asyncpg.Connection,
        phase: str,
        *,
        answer: bytes | None = None,
        seconds: float = _FIRST_LOOK_SECONDS,
        until: datetime | None = None,
    ) -> None:
        await oauth_states.move(
            connection, self.tenant_id, self.row["id"], phase, seconds=seconds, answer=answer, until=until
        )

    async def _drop(self) -> None:
        async with self.opener.database.transaction(self.tenant_id) as connection:
            await oauth_states.drop(connection, self.tenant_id, self.row["id"])

    async def _connection(self) -> Connection | None:
        async with self.opener.database.session(self.tenant_id) as db:
            return await find(db, Connection, self.tenant_id, self.row["connection_id"])

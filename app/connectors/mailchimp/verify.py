"""Pings a Mailchimp account and says, in sentences a person can act on, what works and what does not."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from app.connectors.mailchimp.accounts import MailchimpAccount
from app.connectors.mailchimp.auth import data_centre, is_data_centre, oauth_base_url
from app.connectors.mailchimp.metadata import read_metadata
from app.connectors.mailchimp.opening import open_client
from app.connectors.pacing import Pacer
from app.domain.errors import ConnectorError, NeedsTenant, Transient
from app.domain.verification import Check, Verification

_BUDGET_SECONDS = 15.0
_ATTEMPTS = 2
_WRITING_ROLES = frozenset({"owner", "admin", "manager"})

Step = Callable[[], Awaitable[str]]


async def verify(
    *,
    kind: str,
    settings: Mapping[str, object],
    credential: Mapping[str, object],
    facts: Mapping[str, object],
    outbound_client: httpx.AsyncClient,
    pacer: Pacer,
) -> Verification:
    """Check data centre, ping, account, role and audiences, in that order; stops at the first that fails.

    A check that only a new sign-in can cure is named `authorization`, whatever was looked at. Facts learnt:
    data_centre, account_id, account_name, login_id, role, pricing_plan. Never raises for what Mailchimp or the
    network does.
    """
    inspection = _Inspection(kind, settings, credential, facts, outbound_client, pacer)
    for name in ("data_centre", "ping", "account", "role", "audiences"):
        if not await inspection.look(name):
            break
    ok = all(check.ok for check in inspection.checks)
    return Verification(ok, tuple(inspection.checks), inspection.facts)


class _Inspection:
    """The checks so far and what they taught; each `_name` step returns a sentence or raises."""

    def __init__(
        self,
        kind: str,
        settings: Mapping[str, object],
        credential: Mapping[str, object],
        facts: Mapping[str, object],
        outbound_client: httpx.AsyncClient,
        pacer: Pacer,
    ) -> None:
        self._kind, self._settings, self._credential = kind, settings, credential
        self._outbound_client, self._pacer = outbound_client, pacer
        self.facts: dict[str, Any] = dict(facts)
        self.checks: list[Check] = []

    async def look(self, name: str) -> bool:
        """Make one check; whether the next ones make sense."""
        step: Step = getattr(self, f"_{name}")
        try:
            detail = await step()
        except ConnectorError as error:
            signed_out = isinstance(error, NeedsTenant) and error.authorization
            self.checks.append(Check("authorization" if signed_out else name, False, error.message))
            return False
        self.checks.append(Check(name, True, detail))
        return True

    async def _data_centre(self) -> str:
        if self._kind == "oauth" and not (self._settings.get("base_url") and not self._settings.get("oauth_base_url")):
            await self._ask_login_server()
        found = data_centre(self._kind, self._credential, self.facts)
        if found is not None:
            self.facts["data_centre"] = found
        self._account_reader()  # says so when the credential cannot be used at all
        return f"The account lives in data centre {found}." if found else "The address is given by settings.base_url."

    async def _ask_login_server(self) -> None:
        token = self._credential.get("access_token")
        if not isinstance(token, str) or not token:
            raise NeedsTenant(
                "mailchimp_credential_missing", "Sign in at Mailchimp to authorize this connection.", authorization=True
            )
        try:
            metadata = await read_metadata(self._outbound_client, oauth_base_url(self._settings), token)
        except Transient:
            if "data_centre" not in self.facts:
                raise
            return  # an account does not move; what was learnt before serves
        if is_data_centre(metadata.dc):
            self.facts["data_centre"] = metadata.dc

    async def _ping(self) -> str:
        await self._account_reader().ping()
        return "Mailchimp answers and accepts the key."

    async def _account(self) -> str:
        account = await self._account_reader().account()
        self.facts |= {
            "account_id": account.account_id,
            "account_name": account.account_name,
            "login_id": account.login_id,
            "role": account.role,
            "pricing_plan": account.pricing_plan_type,
        }
        return f"Connected to the account {account.account_name or account.account_id}."

    async def _role(self) -> str:
        role = str(self.facts.get("role") or "")
        if role.lower() not in _WRITING_ROLES:
            raise NeedsTenant(
                "mailchimp_role_too_low",
                f"The Mailchimp user has the role {role or 'unknown'}; writing members needs manager, admin or owner.",
            )
        return f"The Mailchimp user has the role {role}."

    async def _audiences(self) -> str:
        found = await self._account_reader().lists()
        if not found:
            raise NeedsTenant("mailchimp_no_audience", "The account has no audience yet; make one at Mailchimp.")
        return f"{len(found)} audience{'s' if len(found) > 1 else ''} found."

    def _account_reader(self) -> MailchimpAccount:
        client = open_client(
            kind=self._kind,
            settings=self._settings,
            credential=self._credential,
            facts=self.facts,
            outbound_client=self._outbound_client,
            pacer=self._pacer,
            budget_seconds=_BUDGET_SECONDS,
            attempts=_ATTEMPTS,
        )
        return MailchimpAccount(client)

"""A connection's plain values become a live client or audience."""

from collections.abc import Mapping

import httpx

from app.connectors.mailchimp.audiences import MailchimpAudience
from app.connectors.mailchimp.auth import open_access
from app.connectors.mailchimp.client import MailchimpClient
from app.connectors.pacing import Pacer


def open_client(
    *,
    kind: str,
    settings: Mapping[str, object],
    credential: Mapping[str, object],
    facts: Mapping[str, object],
    outbound_client: httpx.AsyncClient,
    pacer: Pacer,
    budget_seconds: float = 120.0,
    attempts: int = 6,
) -> MailchimpClient:
    """A client of one account; makes no call.

    `kind` is `api_key` or `oauth`, `credential` the opened secret, `facts` what verification learnt. Interactive
    callers choose a smaller budget.

    Raises:
        NeedsTenant: the credential is missing or malformed, or the data centre unknown.
    """
    access = open_access(kind, settings, credential, facts)
    return MailchimpClient(outbound_client, access, pacer, budget_seconds=budget_seconds, attempts=attempts)


def open_target(
    *,
    kind: str,
    settings: Mapping[str, object],
    credential: Mapping[str, object],
    facts: Mapping[str, object],
    list_id: str,
    outbound_client: httpx.AsyncClient,
    pacer: Pacer,
) -> MailchimpAudience:
    """One audience of an account, ready to be written; makes no call."""
    client = open_client(
        kind=kind,
        settings=settings,
        credential=credential,
        facts=facts,
        outbound_client=outbound_client,
        pacer=pacer,
    )
    return MailchimpAudience(client, list_id)

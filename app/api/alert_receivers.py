"""Where messages may go, checked when it is said and not only when something has to be told."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx
from sqlmodel import col, select

from app.alerts.relays import PORTS
from app.api.deps import Access, Work
from app.api.problems import Invalid
from app.api.schemas.alert_channels import SmtpModel
from app.db.syncs import Sync
from app.domain.errors import NeedsTenant
from app.http.outbound import tls_context


def check_reach(access: Access, url: str | None, tls_ca_pem: str | None) -> None:
    """Refuse at once what the egress guard would refuse at every message."""
    try:
        if url is not None:
            access.resources.outbound.policy.check_url(httpx.URL(url))
    except NeedsTenant as error:
        raise Invalid.at("/url", error.message) from None
    except httpx.InvalidURL:
        raise Invalid.at("/url", "Is not an address.") from None
    if tls_ca_pem is None:
        return
    try:
        tls_context(tls_ca_pem, verify=True)
    except NeedsTenant as error:
        raise Invalid.at("/tls_ca_pem", error.message) from None


def check_mail(access: Access, smtp: SmtpModel | None) -> None:
    """Somebody must carry the mail, and nobody carries it in the clear unless the operator permits that."""
    if smtp is None:
        if access.resources.courier.relay is None:
            raise Invalid.at("/smtp", "Name a mail server: the operator offers none (MLC_SMTP_URL).")
        return
    if smtp.security == "none" and not access.resources.settings.egress_allow_http:
        raise Invalid.at("/smtp/security", "Must be tls or starttls.")
    if smtp.password is not None and smtp.username is None:
        raise Invalid.at("/smtp/username", "Belongs to the password.")


async def check_syncs(work: Work, sync_ids: Sequence[UUID] | None) -> None:
    """Raises Invalid when one of them is no sync of this tenant."""
    if sync_ids is None:
        return
    statement = select(Sync.id).where(col(Sync.tenant_id) == work.tenant_id, col(Sync.id).in_(sync_ids))
    if len((await work.db.exec(statement)).all()) != len(set(sync_ids)):
        raise Invalid.at("/sync_ids", "Names a sync that does not exist.")


def smtp_document(smtp: SmtpModel) -> dict[str, Any]:
    """What is stored of a mail server in the clear."""
    return {**smtp.model_dump(exclude={"password"}), "port": smtp.port or PORTS[smtp.security]}


def kept_password(smtp: SmtpModel | None, before: Mapping[str, Any] | None, password: str | None) -> str | None:
    """The password to store: the one given, or the one before if it still goes to the same server and user.

    Raises:
        Invalid: it would go somewhere else.
    """
    if smtp is None or smtp.username is None:
        return None
    if smtp.password is not None:
        return smtp.password.get_secret_value()
    after = smtp_document(smtp)
    if before is None or any(before[name] != after[name] for name in ("host", "port", "security", "username")):
        raise Invalid.at("/smtp/password", "Give the password: none was given for this server and user.")
    return password

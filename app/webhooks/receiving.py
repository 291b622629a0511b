"""A delivery is proven, split into events, sealed and stored; only then is it answered. Looked at later."""

from uuid import uuid4

from app.connections.vault import TenantKeys
from app.connectors.mailchimp.deliveries import (
    Delivery,
    Form,
    Malformed,
    audience_delivery,
    malformed,
    read_form,
    transactional_deliveries,
)
from app.connectors.mailchimp.signatures import TEST_KEY, is_from_mailchimp, is_from_mandrill
from app.db.webhooks import BODY, Arrival
from app.webhooks.desk import Bundle, Desk
from app.webhooks.paths import TRANSACTIONAL, LivePath


class NotAuthentic(Exception):
    """The signature is missing or wrong although we know the secret it must be made with."""


async def receive(
    desk: Desk, path: LivePath, *, content_type: str, signature: str | None, body: bytes, now: float
) -> None:
    """The delivery's events are committed when this returns. `now` is in seconds since 1970.

    Raises NotAuthentic, and PathChanged when the path is no longer as it was found; a body that makes no sense is an
    event too.
    """
    if path.place.kind == TRANSACTIONAL:
        deliveries = _transactional(path, content_type, signature, body)
    else:
        deliveries = [_mailchimp(path, content_type, signature, body, now)]
    arrivals = {delivery.identity: _arrival(path, delivery) for delivery in deliveries}
    if arrivals:
        await desk.store(path.place, Bundle(list(arrivals.values()), path.is_stale))


def _mailchimp(path: LivePath, content_type: str, signature: str | None, body: bytes, now: float) -> Delivery:
    if path.signing_secret is not None and not is_from_mailchimp(signature, path.signing_secret, body, now):
        raise NotAuthentic
    try:
        return audience_delivery(read_form(content_type, body), body)
    except Malformed:
        return malformed(body)


def _transactional(path: LivePath, content_type: str, signature: str | None, body: bytes) -> list[Delivery]:
    """Mandrill signs what the form says, so what is no form cannot be authentic."""
    try:
        form = read_form(content_type, body)
    except Malformed:
        raise NotAuthentic from None
    if dict(form).get("mandrill_events") == "[]":  # how Mandrill tries an address; there is nothing to keep
        return []
    _check_mandrill(path, signature, form)
    try:
        return transactional_deliveries(form, body)
    except Malformed:
        return [malformed(body)]


def _check_mandrill(path: LivePath, signature: str | None, form: Form) -> None:
    """Without the key nothing can be proven; Mandrill tries again for hours, until somebody has entered it."""
    key = path.signing_secret
    if key is None or key == TEST_KEY or not is_from_mandrill(signature, key, path.url, form):
        raise NotAuthentic


def _arrival(path: LivePath, delivery: Delivery) -> Arrival:
    keys, row = path.keys, uuid4()
    return Arrival(
        row,
        delivery.type,
        delivery.list_id,
        delivery.fired_at,
        keys.digest(path.place.webhook_id.bytes + delivery.identity),
        subject_of(keys, delivery.email),
        subject_of(keys, delivery.former_email),
        keys.seal(delivery.body, row, BODY),
    )


def subject_of(keys: TenantKeys, email: str | None) -> bytes | None:
    """What stands for an address in events, audit rows and suppressions."""
    return keys.digest(email.strip().lower().encode()) if email is not None else None

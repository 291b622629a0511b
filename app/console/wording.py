"""Words for what the API has codes for: states, reasons, decisions, events, causes."""

from collections.abc import Mapping

RUN_STATES = {
    "queued": ("Waiting", "quiet"),
    "running": ("Running", "busy"),
    "halted": ("Halted: needs a decision", "warn"),
    "succeeded": ("Succeeded", "good"),
    "partially_failed": ("Finished, some rejected", "warn"),
    "failed": ("Failed", "bad"),
    "cancelled": ("Cancelled", "quiet"),
}
CONNECTION_STATES = {
    "unverified": ("Not checked yet", "quiet"),
    "ok": ("Works", "good"),
    "needs_authorization": ("Needs a sign-in", "warn"),
    "needs_attention": ("Needs attention", "bad"),
}
LETTER_STATES = {
    "open": ("Open", "warn"),
    "resolved": ("Resolved", "good"),
    "superseded": ("Superseded", "quiet"),
    "dismissed": ("Dismissed", "quiet"),
}
RECORD_STATES = {
    "synced": ("In the audience", "good"),
    "skipped": ("Left out", "quiet"),
    "rejected": ("Refused", "bad"),
}
WEBHOOK_STATES = {
    "registering": ("Being registered", "quiet"),
    "ok": ("Works", "good"),
    "needs_attention": ("Needs attention", "bad"),
}
EVENT_STATES = {
    "received": ("Waiting", "quiet"),
    "processed": ("Processed", "good"),
    "failed": ("Failed", "bad"),
}
FACTS = {
    "graphql_url": "GraphQL address",
    "clock_skew_seconds": "Its clock differs by seconds",
    "missing_paths": "Fields it does not offer",
    "count": "Rows at the last look",
}
CHANNEL_KINDS = {"webhook": "Webhook", "email": "E-mail"}
CHANNEL_STATES = {
    "untried": ("Not tried yet", "quiet"),
    "ok": ("Works", "good"),
    "failing": ("Last message failed", "bad"),
    "gone": ("Switched off: receiver gone", "bad"),
}
ALERT_STATES = {"open": ("Open", "bad"), "resolved": ("Over", "good")}
DELIVERY_STATES = {
    "pending": ("Waiting", "busy"),
    "delivered": ("Delivered", "good"),
    "failed": ("Given up", "bad"),
    "dropped": ("Dropped", "quiet"),
}
PHASES = {"opened": "told that it began", "resolved": "told that it is over"}
STATUSES = {
    "subscribed": ("Subscribed", "good"),
    "transactional": ("Non-subscribed (transactional)", "quiet"),
    "pending": ("Asked to confirm", "quiet"),
    "unsubscribed": ("Unsubscribed", "warn"),
    "cleaned": ("Cleaned: mail bounced", "warn"),
    "archived": ("Archived", "quiet"),
    "forgotten": ("Permanently deleted", "bad"),
    "gone": ("No longer there", "quiet"),
}
MODES = {
    "delta": "Changes since the last run",
    "full": "Everything",
    "reconcile": "Compare both sides",
    "replay": "Replay of dead letters",
}
SYSTEMS = {"sage_x3": "Sage X3", "mailchimp": "Mailchimp"}
KINDS = {
    "graphql_jwt": "GraphQL with a connected application (on premises)",
    "graphql_oauth": "GraphQL through Sage's cloud gateway (sign-in)",
    "graphql_basic": "GraphQL with user and password",
    "rest_basic": "REST api1 with user and password (older servers)",
    "api_key": "API key",
    "oauth": "Sign-in at Mailchimp",
}
REASONS = {
    "no_email": "No usable e-mail address in any of the places the mapping looks in.",
    "bad_email": "The e-mail address in X3 is not one that mail can be sent to.",
    "mailing_prohibited": "X3 says that mailing is prohibited, and Mailchimp does not know the person yet.",
    "opted_out": "The person unsubscribed, bounced or was archived at Mailchimp. That is left alone.",
    "duplicate_email": "Another record with the same address is the one that is carried.",
    "filtered": "The sync's filter leaves this record out.",
    "forgotten": "The person was permanently deleted or erased and is kept out.",
    "inactive": "The record is inactive in X3.",
    "contact_gone": "The contact is no longer at this company in X3.",
    "refused_before": "Mailchimp refused this very content before; it is tried again when X3 changes.",
    "x3_deleted": "The record no longer exists in X3.",
    "not_found": "X3 has no record of this code.",
    "compliance": "Mailchimp does not let this person be added by anybody but themselves.",
    "fake_address": "Mailchimp holds the address to be fake.",
    "too_many_signups": "Mailchimp takes no more sign-ups of this address for now.",
    "role_address": "Mailchimp does not take addresses of a role, such as info@.",
    "incomplete_address": "The postal address lacks street, city, state or postal code.",
    "merge_field": "Mailchimp refused the value of a merge field.",
    "address_taken": "The new address already belongs to another member.",
    "member_exists": "The address is already a member of the audience.",
    "invalid_address": "Mailchimp does not accept the e-mail address.",
    "member_gone": "The member is no longer in the audience.",
    "not_allowed": "Mailchimp does not allow this for the member in its present state.",
    "rejected": "Mailchimp refused the record.",
    "x3_row_refused": "X3 refused to show this record.",
    "x3_row_unreadable": "What X3 answered for this record cannot be read.",
    "currency_mismatch": "The invoice is in another currency than the store.",
    "customer_missing": "The customer of the invoice cannot be found in X3.",
    "customer_code_too_long": "The customer's code is too long for a store.",
    "code_too_long": "The code is too long for Mailchimp.",
    "no_customer": "The invoice names no customer.",
    "negative_total": "The invoice's total is below zero.",
    "proforma": "A pro-forma document is no order.",
    "debit_note": "A debit note is no order.",
    "other_category": "Documents of this category are no orders.",
    "cancelled": "The document was cancelled in X3.",
    "not_posted": "The document is not posted in X3 yet.",
    "credit_memo": "Counted with the invoice it credits.",
    "credit_memo_unreferenced": "The credit memo names no invoice.",
    "product_missing": "A product of the order is not in the store.",
    "address_fixed": "Mailchimp does not let the address of a store customer change.",
}
DECISIONS = {
    "created": "Added to the audience",
    "updated": "Changed in the audience",
    "unchanged": "Already right",
    "skipped": "Left out",
    "rejected": "Refused",
    "would_be_created": "Would be added",
    "would_be_updated": "Would be changed",
    "would_be_skipped": "Would be left out",
    "would_be_rejected": "Would be refused",
    "would_create": "Would be added",
    "would_update": "Would be changed",
    "would_write": "Would be written",
}
ACTIONS = {
    "member.created": "Added to the audience",
    "member.updated": "Changed in the audience",
    "member.moved": "Moved to a new address",
    "member.merged": "Merged with the member of the new address",
    "member.restored": "Brought back from the archive",
    "member.archived": "Archived",
    "member.unsubscribed": "Unsubscribed by the sync's policy",
    "member.flagged": "Marked as inactive",
    "record.skipped": "Left out",
    "record.rejected": "Refused",
    "record.noted": "Looked at, nothing to write",
    "consent.noted": "A status was seen or set",
    "order.created": "Order added to the store",
    "order.updated": "Order changed in the store",
    "order.cancelled": "Order cancelled in the store",
    "order.credited": "Order reduced by a credit memo",
    "dead_letter.dismissed": "Dead letter dismissed",
    "run.queued": "Run asked for",
    "run.succeeded": "Run succeeded",
    "run.partially_failed": "Run finished, some records refused",
    "run.failed": "Run failed",
    "run.cancelled": "Run cancelled",
    "run.halted": "Run halted by its brake",
    "run.approved": "Run let go on in spite of its brake",
    "sync.created": "Sync created",
    "sync.changed": "Sync changed",
    "sync.paused": "Sync paused",
    "sync.resumed": "Sync goes on",
    "sync.deleted": "Sync deleted",
    "mapping.created": "Mapping created",
    "mapping.replaced": "Mapping changed: a new version",
    "connection.created": "Connection created",
    "connection.changed": "Connection changed",
    "connection.verified": "Connection pinged",
    "connection.credential_replaced": "Credential replaced",
    "connection.authorization_started": "Sign-in begun",
    "connection.authorized": "Signed in at the vendor",
    "connection.authorization_declined": "Sign-in declined",
    "connection.authorization_expired": "Sign-in took too long",
    "connection.deleted": "Connection deleted",
    "connection.access_lost": "Access to the vendor lost",
    "credential.expiring": "Access will end soon",
    "mapping.deleted": "Mapping deleted",
    "webhook.created": "Webhook registered",
    "webhook.rotated": "Webhook has a new path",
    "webhook.deleted": "Webhook deleted",
    "webhook.repaired": "Webhook put right at Mailchimp",
    "webhook.signing_key_set": "Webhook's signing key entered",
    "alert_channel.created": "Alert channel added",
    "alert_channel.changed": "Alert channel changed",
    "alert_channel.tested": "Test message sent",
    "alert_channel.rotated": "Alert channel has a new secret",
    "alert_channel.deleted": "Alert channel deleted",
    "alert.not_delivered": "An alert could not be delivered",
    "api_key.created": "API key created",
    "api_key.revoked": "API key revoked",
    "tenant.created": "Tenant created",
    "tenant.changed": "Tenant changed",
    "webhook.subscribe": "Mailchimp told of a subscription",
    "webhook.unsubscribe": "Mailchimp told of an unsubscription",
    "webhook.cleaned": "Mailchimp told of a bounced address",
    "webhook.upemail": "Mailchimp told of a new address",
    "webhook.profile": "Mailchimp told of a changed profile",
    "webhook.other": "Mailchimp told of another event",
    "erasure.requested": "Erasure requested",
    "erasure.completed": "Erased",
}
CAUSES = {
    "mirror_pull": "seen when the audience was read",
    "webhook": "told by Mailchimp's webhook",
    "transactional": "told by Mandrill",
    "insert": "set when a run added the person",
    "update": "answered when a run changed the member",
    "move": "answered when a run moved the member to a new address",
    "move_unrefused": "answered when a run moved a member it had made unsubscribed",
    "merge": "answered when a run merged two members",
    "restore": "set when a run brought the member back from the archive",
    "archive": "set by a run, by the sync's policy",
    "unsubscribe": "set by a run, by the sync's policy",
    "refusal": "learnt when Mailchimp refused a call",
    "erasure": "set by an erasure",
}
OUTCOMES = {
    "applied": "Taken over: we are more careful now",
    "known": "Known already",
    "stale": "Older than what we know",
    "logged": "Noted",
    "malformed": "Could not be read",
    "foreign": "About another audience",
    "forgotten": "About somebody who was erased",
    "unreadable": "Could not be opened",
    "failed": "Failed",
}
SAID = {
    "saved": "Saved.",
    "created": "Created.",
    "deleted": "Deleted.",
    "queued": "The run is queued.",
    "coalesced": "A run was waiting already; it does this too.",
    "cancelled": "The run is being cancelled.",
    "approved": "The run goes on.",
    "paused": "The sync is paused.",
    "resumed": "The sync goes on.",
    "dismissed": "The dead letter is dismissed. It is tried again when its record changes in X3.",
    "revoked": "The key is revoked.",
    "rotated": "The webhook has a new path.",
    "ended": "Your session has ended, or its key was revoked. Sign in again.",
    "out": "You are signed out.",
    "scheduled": "The schedule is set.",
}


def named(code: str, names: Mapping[str, str]) -> str:
    """The words for a code, or the code itself made readable; a sentence is left as it is."""
    if " " in code:
        return code
    return names.get(code) or code.replace("_", " ").replace(".", ": ").capitalize()


def label(code: str, names: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Words and tone of a state."""
    return names.get(code) or (code.replace("_", " ").capitalize(), "quiet")


def reason(code: str | None) -> str:
    return named(code, REASONS) if code else ""


def decision(code: str) -> str:
    """What was decided; `skipped:no_email` says why."""
    name, _, why = code.partition(":")
    return f"{named(name, DECISIONS)}: {reason(why)}" if why else named(name, DECISIONS)

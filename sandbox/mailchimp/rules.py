"""Mailchimp's rules for changing a member: who may come back, what is refused, and what the ledger notes."""

import re
from typing import Any

from sandbox.mailchimp.consent import Cause
from sandbox.mailchimp.merge_fields import MergeErrors, checked
from sandbox.mailchimp.state import Audience, MailchimpState, Member, subscriber_hash

EMAIL = re.compile(
    r"[^\s@,;:<>()\[\]\\\"]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
FAKE_DOMAINS = frozenset({"example.com", "example.org", "example.net"})
MERGE_INVALID = "Your merge fields were invalid."


class RowRefused(Exception):
    """A member was refused: title and detail as the member endpoints give them; `errors` name merge fields."""

    def __init__(self, title: str, detail: str, errors: MergeErrors | None = None) -> None:
        super().__init__(detail)
        self.title, self.detail, self.errors = title, detail, errors or []


class Rules:
    """Changes to the members of one audience by one cause."""

    def __init__(self, state: MailchimpState, audience: Audience, cause: Cause = "api") -> None:
        self.state = state
        self.audience = audience
        self.cause: Cause = cause
        self.now = state.now()

    def create(self, email: str, status: str, body: dict[str, Any], *, skip_required: bool = False) -> Member:
        """A new member. Raises RowRefused."""
        hash_ = subscriber_hash(email)
        self._acceptable(email, hash_)
        values = self._merge(body, None, skip_required=skip_required)
        state, audience = self.state, self.audience
        state.next_person += 1
        member = Member(
            email=email, hash=hash_, person=state.next_person, status=status, merge_fields=values, tags=frozenset(),
            created=self.now, changed=self.now, opted=self.now,
        )  # fmt: skip
        self._apply(member, body)
        audience.members[hash_] = member
        audience.ledger.record(
            at=self.now,
            person=member.person,
            email=email,
            before=audience.left.pop(hash_, None),
            after=status,
            cause=self.cause,
        )
        member.writes = 1
        state.written()
        if status == "subscribed":
            self._tell("subscribe", member)
        return member

    def _tell(self, type_: str, member: Member, **extra: str) -> None:
        """Let webhooks know, when there are any."""
        if self.audience.webhooks and self.state.emit is not None:
            self.state.emit(self.audience, type_, member, self.cause, extra)

    def update(self, member: Member, body: dict[str, Any], status: str | None, *, skip_required: bool = False) -> None:
        """Change a member; `status` None leaves it, an archived member stays archived. Raises RowRefused."""
        email = body.get("email_address")
        if email is not None and subscriber_hash(email) != member.hash:
            self._movable(email)
        if status is not None and member.status != "archived":
            self._permitted(member, member.status, status)
        values = self._merge(body, member, skip_required=skip_required)
        if "merge_fields" in body:
            member.merge_fields = values
            member.poisoned = False
            self._tell("profile", member)
        if email is not None and email != member.email:
            self._move(member, email)
        self._apply(member, body)
        if status is not None and member.status != "archived":
            self.set_status(member, status)
        member.changed = self.now
        member.writes += 1
        self.state.written()

    def restore(self, member: Member, status: str, body: dict[str, Any], *, skip_required: bool = False) -> None:
        """Bring an archived member back with a status. Raises RowRefused."""
        self._permitted(member, member.before_archive or "archived", status)
        values = self._merge(body, member, skip_required=skip_required)
        member.merge_fields = values
        self._apply(member, body)
        before = member.before_archive if member.archived_by_api else None
        self.set_status(member, status, before_archive=before, note="unarchived")
        member.before_archive, member.archived_by_api = None, False
        member.changed = self.now
        member.writes += 1
        self.state.written()

    def archive(self, member: Member) -> None:
        if member.status == "archived":
            return
        member.before_archive = member.status
        member.archived_by_api = self.cause == "api"
        self.set_status(member, "archived")
        member.changed = self.now

    def forget(self, member: Member) -> None:
        """Delete for good: the address may never be imported again."""
        self.set_status(member, "forgotten")
        del self.audience.members[member.hash]
        self.audience.forgotten.add(member.hash)
        for id_ in member.tags:
            self.audience.segments[id_].members.discard(member.hash)

    def set_status(self, member: Member, status: str, *, before_archive: str | None = None, note: str = "") -> None:
        """Set a status and write the move down; a user's own unsubscribe is protected from then on."""
        if status == member.status:
            return
        self.audience.ledger.record(
            at=self.now, person=member.person, email=member.email, before=member.status, after=status,
            cause=self.cause, before_archive=before_archive, note=note,
        )  # fmt: skip
        if status == "unsubscribed":
            member.self_unsubscribed = self.cause == "user"
            member.unsubscribe_reason = (
                "N/A (Unsubscribed by admin)" if self.cause != "user" else "No longer interested"
            )
        elif status != "archived":
            member.unsubscribe_reason = None
            if status == "subscribed":
                member.self_unsubscribed = False
                member.opted = self.now
        member.status = status
        member.changed = self.now
        match status:
            case "subscribed":
                self._tell("subscribe", member)
            case "unsubscribed":
                self._tell("unsubscribe", member, action="unsub", reason="manual", campaign_id="")
            case "archived" | "forgotten":
                self._tell("unsubscribe", member, action="delete", reason="manual", campaign_id="")
            case "cleaned":
                self._tell("cleaned", member, reason="hard", campaign_id="")

    def tag(self, member: Member, name: str) -> None:
        segment = self.audience.segment_named(name, self.now)
        if segment.id not in member.tags:
            member.tags = member.tags | {segment.id}
            member.changed = self.now
            segment.members.add(member.hash)
            segment.updated = self.now

    def untag(self, member: Member, name: str) -> None:
        id_ = self.audience.tag_ids.get(name)
        if id_ is not None and id_ in member.tags:
            member.tags = member.tags - {id_}
            member.changed = self.now
            segment = self.audience.segments[id_]
            segment.members.discard(member.hash)
            segment.updated = self.now

    def _acceptable(self, email: str, hash_: str) -> None:
        """May this address join at all?"""
        if not EMAIL.fullmatch(email) or len(email) > 254:
            raise RowRefused("Invalid Resource", "Please provide a valid email address.")
        if hash_ in self.audience.forgotten:
            raise RowRefused(
                "Forgotten Email Not Subscribed",
                f"{email} was permanently deleted and cannot be re-imported. "
                "The contact must re-subscribe to get back on the list.",
            )
        if email.rpartition("@")[2].lower() in FAKE_DOMAINS:
            raise RowRefused("Invalid Resource", f"{email} looks fake or invalid, please enter a real email address.")
        if self.state.counters.get(f"throttled:{hash_}"):
            raise RowRefused(
                "Invalid Resource",
                f"{email} has signed up to a lot of lists very recently; we're not allowing more signups for now",
            )

    def _permitted(self, member: Member, present: str, status: str) -> None:
        """A person who opted out alone, bounced, or is under review is not subscribed again by API."""
        protected = present == "cleaned" or (present == "unsubscribed" and member.self_unsubscribed)
        if status == "subscribed" and protected and self.cause == "api":
            raise RowRefused(
                "Member In Compliance State",
                f"{member.email} is in a compliance state due to unsubscribe, bounce, or compliance review "
                "and cannot be subscribed.",
            )

    def _movable(self, email: str) -> None:
        hash_ = subscriber_hash(email)
        other = self.audience.members.get(hash_)
        if other is not None:
            raise RowRefused(
                "Invalid Resource", f'"{email}" is already in this list with a status of "{other.status.title()}".'
            )
        self._acceptable(email, hash_)

    def _move(self, member: Member, email: str) -> None:
        """Another address for the same person: the history goes along."""
        audience, old, old_email = self.audience, member.hash, member.email
        del audience.members[old]
        audience.left[old] = member.status
        member.email, member.hash = email, subscriber_hash(email)
        audience.left.pop(member.hash, None)
        audience.members[member.hash] = member
        for id_ in member.tags:
            audience.segments[id_].members.discard(old)
            audience.segments[id_].members.add(member.hash)
        self._tell("upemail", member, new_id=f"{member.person:010x}", new_email=email, old_email=old_email)

    def _merge(self, body: dict[str, Any], member: Member | None, *, skip_required: bool) -> dict[str, Any]:
        errors: MergeErrors = []
        values = checked(
            self.audience, body.get("merge_fields") or {}, member, skip_required=skip_required, errors=errors,
            strict=self.state.settings.strict_merge_fields,
        )  # fmt: skip
        if errors:
            raise RowRefused("Invalid Resource", MERGE_INVALID, errors)
        return values

    def _apply(self, member: Member, body: dict[str, Any]) -> None:
        """The plain properties."""
        for name in ("language", "vip", "email_type"):
            if body.get(name) is not None:
                setattr(member, name, body[name])
        if body.get("interests"):
            known = {id_ for category in self.audience.categories.values() for id_ in category["interests"]}
            wrong = [id_ for id_ in body["interests"] if id_ not in known]
            if wrong:
                raise RowRefused(
                    "Invalid Resource", "Invalid interest ID", [("interests", f"Invalid interest ID: {wrong[0]}")]
                )
            member.interests = (member.interests or {}) | body["interests"]
        extra = {
            name: body[name]
            for name in (
                "location",
                "ip_signup",
                "ip_opt",
                "timestamp_signup",
                "timestamp_opt",
                "marketing_permissions",
            )
            if body.get(name)
        }
        if extra:
            member.extra = (member.extra or {}) | extra

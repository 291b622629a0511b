"""Mailchimp's control endpoints: what people and time do to an audience, and what the sandbox has seen."""

from typing import Any

import msgspec

from sandbox.control import Control, change, ndjson
from sandbox.http import Answer, Request, json_answer
from sandbox.mailchimp.consent import Cause, ConsentMove
from sandbox.mailchimp.rules import Rules
from sandbox.mailchimp.state import Audience, MailchimpState, Member, iso, subscriber_hash
from sandbox.mailchimp.stores import Store
from sandbox.mailchimp.webhooks import WebhookDesk


def mailchimp_control(state: MailchimpState, webhooks: WebhookDesk) -> Control:
    """All control endpoints of one server."""
    control, desk = Control(state.faults), _Desk(state, webhooks)
    add = control.add
    add("GET", "members", desk.members)
    add("GET", "merge-fields", desk.merge_fields)
    for name, status, cause in (
        ("unsubscribe", "unsubscribed", "user"), ("admin-unsubscribe", "unsubscribed", "admin"),
        ("clean", "cleaned", "admin"), ("subscribe", "subscribed", "user"),
    ):  # fmt: skip
        add("POST", name, desk.setter(status, cause))  # type: ignore[arg-type] # the four causes are literals of Cause
    add("POST", "archive", desk.archive)
    add("POST", "forget", desk.forget)
    add("POST", "throttle", desk.throttle)
    add("POST", "poison", desk.poison)
    add("POST", "profile", desk.profile)
    add("GET", "consent", desk.consent)
    add("GET", "stats", desk.stats)
    add("GET", "accounts", desk.accounts)
    add("GET", "settings", lambda _request, _body: json_answer(200, state.settings))
    add("PATCH", "settings", desk.settings)
    add("POST", "revoke", desk.revoke)
    add("POST", "reset", desk.reset)
    add("GET", "deliveries", lambda _request, _body: json_answer(200, webhooks.deliveries))
    add("GET", "webhooks", desk.hooks)
    add("POST", "event", desk.event)
    add("GET", "store", desk.store)
    return control


class _Desk:
    def __init__(self, state: MailchimpState, webhooks: WebhookDesk) -> None:
        self.state = state
        self.webhooks = webhooks

    def audience(self, list_id: str | None) -> Audience:
        for account in self.state.accounts:
            for audience in account.audiences.values():
                if list_id is None or audience.id == list_id:
                    return audience
        raise ValueError(f"no list {list_id}")

    def one(self, body: Any) -> tuple[Audience, Member]:
        audience = self.audience(body.get("list"))
        member = audience.members.get(subscriber_hash(body["email"]))
        if member is None:
            raise ValueError(f"no member {body['email']} on list {audience.id}")
        return audience, member

    def members(self, request: Request, _body: Any) -> Answer:
        params = request.params()
        audience = self.audience(params.get("list"))
        return ndjson([self.view(audience, member) for member in audience.members.values()])

    def merge_fields(self, request: Request, _body: Any) -> Answer:
        """The type of each merge field, by tag."""
        audience = self.audience(request.params().get("list"))
        return json_answer(200, {tag: field.type for tag, field in audience.fields.items()})

    @staticmethod
    def view(audience: Audience, member: Member) -> dict[str, Any]:
        return {
            "email": member.email, "status": member.status, "merge_fields": member.merge_fields,
            "tags": sorted(audience.segments[id_].name for id_ in member.tags), "language": member.language,
            "writes": member.writes, "last_changed": iso(member.changed), "self_unsubscribed": member.self_unsubscribed,
            "before_archive": member.before_archive,
        }  # fmt: skip

    def setter(self, status: str, cause: Cause) -> Any:
        def action(_request: Request, body: Any) -> Answer:
            audience, member = self.one(body)
            rules = Rules(self.state, audience, cause)
            rules.set_status(member, status)
            return json_answer(200, self.view(audience, member))

        return action

    def archive(self, _request: Request, body: Any) -> Answer:
        audience, member = self.one(body)
        Rules(self.state, audience, "admin").archive(member)
        return json_answer(200, self.view(audience, member))

    def forget(self, _request: Request, body: Any) -> Answer:
        """Delete for good; an address that is not on the list is forgotten beforehand."""
        audience = self.audience(body.get("list"))
        member = audience.members.get(subscriber_hash(body["email"]))
        if member is None:
            audience.forgotten.add(subscriber_hash(body["email"]))
        else:
            Rules(self.state, audience, "admin").forget(member)
        return Answer(204)

    def throttle(self, _request: Request, body: Any) -> Answer:
        """Let Mailchimp say of an address that it has signed up to a lot of lists; `off` ends it."""
        self.state.counters[f"throttled:{subscriber_hash(body['email'])}"] = 0 if body.get("off") else 1
        return Answer(204)

    def poison(self, _request: Request, body: Any) -> Answer:
        """Store an incomplete ADDRESS, as another integration may have done."""
        _, member = self.one(body)
        member.merge_fields["ADDRESS"] = {"addr1": body.get("addr1", "1 Main St"), "city": "", "state": "", "zip": ""}
        member.poisoned = True
        return Answer(204)

    def profile(self, _request: Request, body: Any) -> Answer:
        """A person changes what is known of them, address included."""
        audience, member = self.one(body)
        patch = {"merge_fields": body.get("merge_fields", {})}
        if body.get("new_email"):
            patch["email_address"] = body["new_email"]
        Rules(self.state, audience, "user").update(member, patch, None, skip_required=True)
        return json_answer(200, self.view(audience, member))

    def consent(self, request: Request, _body: Any) -> Answer:
        """The ledger: `upward` are moves by API that gave a person more mail than before."""
        params = request.params()
        upward: list[tuple[str, ConsentMove]] = []
        moves: list[dict[str, Any]] = []
        for account in self.state.accounts:
            for audience in account.audiences.values():
                if params.get("list") in (None, audience.id):
                    upward += [(audience.id, move) for move in audience.ledger.upward()]
                    moves += self._moves(audience, params)
        shown = [{"list": list_id} | msgspec.structs.asdict(move) for list_id, move in upward]
        return json_answer(200, {"upward": shown, "moves": moves})

    @staticmethod
    def _moves(audience: Audience, params: dict[str, str]) -> list[dict[str, Any]]:
        """Changes of status; creations only when one address or `all` is asked for."""
        email = params.get("email", "").lower()
        persons = {move.person for move in audience.ledger.moves if email and move.email.lower() == email}
        return [
            {"list": audience.id} | msgspec.structs.asdict(move)
            for move in audience.ledger.moves
            if (move.person in persons if email else move.before is not None or params.get("all"))
        ]

    def stats(self, _request: Request, _body: Any) -> Answer:
        state = self.state
        users = [user for account in state.accounts for user in account.users]
        written = {
            audience.id: sum(member.writes for member in audience.members.values())
            for account in state.accounts
            for audience in account.audiences.values()
        }
        counters = {name: count for name, count in state.counters.items() if not name.startswith("throttled:")}
        return json_answer(
            200,
            {
                "requests": dict(state.requests), "counters": counters,
                "max_in_flight": max(user.max_in_flight for user in users),
                "too_many_connections": state.counters["too_many_connections"],
                "batches": sum(len(account.batches) for account in state.accounts),
                "first_write_at": state.first_write_at, "last_write_at": state.last_write_at, "member_writes": written,
            },
        )  # fmt: skip

    def accounts(self, _request: Request, _body: Any) -> Answer:
        return json_answer(
            200,
            [
                {
                    "account_id": account.id,
                    "api_keys": sorted(key for user in account.users for key in user.credentials),
                    "lists": {audience.id: audience.name for audience in account.audiences.values()},
                }
                for account in self.state.accounts
            ],
        )

    def settings(self, _request: Request, body: Any) -> Answer:
        change(self.state.settings, body)
        return json_answer(200, self.state.settings)

    def revoke(self, _request: Request, body: Any) -> Answer:
        self.state.revoke(body.get("credential"))
        return Answer(204)

    def reset(self, _request: Request, body: Any) -> Answer:
        """Forget counters, and with `members: true` everything but accounts and keys."""
        state = self.state
        state.requests.clear()
        state.counters.clear()
        state.first_write_at = state.last_write_at = None
        state.faults.remove()
        for account in state.accounts:
            for user in account.users:
                user.max_in_flight = user.in_flight
            if body.get("members"):
                account.audiences = {
                    id_: Audience(id_, old.name, state.now(), double_optin=old.double_optin)
                    for id_, old in account.audiences.items()
                }
                account.stores.clear()
                account.batches.clear()
        return Answer(204)

    def hooks(self, _request: Request, _body: Any) -> Answer:
        """Every audience hook with its secret and whether it is switched off."""
        found = [
            hook for account in self.state.accounts for audience in account.audiences.values()
            for hook in audience.webhooks.values()
        ]  # fmt: skip
        return json_answer(200, found)

    def event(self, _request: Request, body: Any) -> Answer:
        """Send an event of any type to the hooks that want it: `type`, `email` or none, `cause`, `data`."""
        audience = self.audience(body.get("list"))
        member = audience.members.get(subscriber_hash(body["email"])) if body.get("email") else None
        self.webhooks.emit(audience, body["type"], member, body.get("cause", "user"), body.get("data", {}))
        return Answer(204)

    def store(self, request: Request, _body: Any) -> Answer:
        """All of one store, or the names of all stores."""
        stores = {id_: store for account in self.state.accounts for id_, store in account.stores.items()}
        wanted = request.params().get("id")
        if wanted is None:
            return json_answer(200, {id_: store.values for id_, store in stores.items()})
        store: Store = stores[wanted]
        return json_answer(200, store)

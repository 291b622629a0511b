"""The account and its audiences: `/ping`, `/`, lists and what they answer about themselves."""

from collections import Counter
from typing import Any

from sandbox.http import Answer
from sandbox.mailchimp.calls import NO_CONTENT, Call, Handlers
from sandbox.mailchimp.state import Audience, iso

COUNTED = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")


def ping(call: Call) -> Answer:
    return call.answer({"health_status": "Everything's Chimpy!"})


def root(call: Call) -> Answer:
    account, user = call.account, call.user
    subscribed = sum(
        member.status == "subscribed" for audience in account.audiences.values() for member in audience.members.values()
    )
    contact = {
        "company": account.name, "addr1": "1 Main St", "addr2": "", "city": "Atlanta", "state": "GA", "zip": "30308",
        "country": "US",
    }  # fmt: skip
    return call.answer(
        {
            "account_id": account.id, "login_id": user.login_id, "account_name": account.name, "email": user.email,
            "first_name": "Ada", "last_name": "Lovelace", "username": account.name.lower().replace(" ", ""),
            "role": user.role, "member_since": "2020-01-01T00:00:00+00:00", "pricing_plan_type": "monthly",
            "last_login": iso(call.state.now()), "account_timezone": "Europe/Paris", "contact": contact,
            "pro_enabled": False, "total_subscribers": subscribed, "_links": [],
        }
    )  # fmt: skip


def view(audience: Audience) -> dict[str, Any]:
    counts = Counter(member.status for member in audience.members.values())
    counts.update(dict.fromkeys(COUNTED, 0))
    stats = {
        "member_count": counts["subscribed"], "total_contacts": sum(counts.values()) - counts["archived"],
        "unsubscribe_count": counts["unsubscribed"], "cleaned_count": counts["cleaned"],
        "merge_field_count": len(audience.fields), "last_sub_date": iso(audience.created),
    }  # fmt: skip
    defaults = {
        "permission_reminder": "You are a customer of ours.", "email_type_option": False, "use_archive_bar": False,
        "contact": {"company": "Acme", "address1": "1 Main St", "city": "Paris", "country": "FR"},
        "campaign_defaults": {"from_name": "Acme", "from_email": "news@acme.test", "subject": "", "language": "en"},
        "notify_on_subscribe": "", "notify_on_unsubscribe": "", "marketing_permissions": False,
    }  # fmt: skip
    return defaults | audience.settings | {
        "id": audience.id, "web_id": int.from_bytes(audience.id.encode()[:3], "big"), "name": audience.name,
        "date_created": iso(audience.created), "list_rating": 0, "double_optin": audience.double_optin,
        "has_welcome": False, "visibility": "prv", "modules": [], "stats": stats, "_links": [],
    }  # fmt: skip


def get_lists(call: Call) -> Answer:
    found = list(call.account.audiences.values())
    email = call.query.get("email")
    if email is not None:
        found = [a for a in found if any(m.email.lower() == email.lower() for m in a.members.values())]
    stored = {store["list_id"] for store in (s.values for s in call.account.stores.values())}
    if call.flag("has_ecommerce_store"):
        found = [a for a in found if a.id in stored]
    return call.answer(
        {"lists": [view(a) for a in call.page(found)], "total_items": len(found), "constraints": {"may_create": True}}
    )


def get_list(call: Call) -> Answer:
    return call.answer(view(call.audience()))


def post_lists(call: Call) -> Answer:
    body, state = dict(call.body), call.state
    id_ = f"new{len(call.account.audiences) + 1:07d}"
    audience = Audience(id_, body.pop("name"), state.now(), double_optin=body.pop("double_optin", False))
    audience.settings = body
    call.account.audiences[id_] = audience
    return call.answer(view(audience))


def patch_list(call: Call) -> Answer:
    audience, body = call.audience(), dict(call.body)
    audience.name = body.pop("name", audience.name)
    audience.double_optin = body.pop("double_optin", audience.double_optin)
    audience.settings |= body
    return call.answer(view(audience))


def delete_list(call: Call) -> Answer:
    del call.account.audiences[call.audience().id]
    return NO_CONTENT


HANDLERS: Handlers = {
    "getPing": ping,
    "getRoot": root,
    "getLists": get_lists,
    "getListsId": get_list,
    "postLists": post_lists,
    "patchListsId": patch_list,
    "deleteListsId": delete_list,
}

"""Interest groups of an audience: categories and the interests in them."""

from typing import Any

from sandbox.http import Answer
from sandbox.mailchimp.calls import NO_CONTENT, Call, Handlers
from sandbox.mailchimp.problems import not_found


def _category(call: Call) -> dict[str, Any]:
    found = call.audience().categories.get(call.arguments[1])
    if found is None:
        raise not_found()
    return found


def _shown(category: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in category.items() if name != "interests"}


def get_categories(call: Call) -> Answer:
    audience = call.audience()
    found = [_shown(category) for category in audience.categories.values()]
    return call.answer({"list_id": audience.id, "categories": call.page(found), "total_items": len(found)})


def post_category(call: Call) -> Answer:
    audience = call.audience()
    id_ = f"{audience.new_id():08x}ca"
    audience.categories[id_] = {"list_id": audience.id, "id": id_, "display_order": 0, "interests": {}} | call.body
    return call.answer(_shown(audience.categories[id_]))


def get_category(call: Call) -> Answer:
    return call.answer(_shown(_category(call)))


def patch_category(call: Call) -> Answer:
    category = _category(call)
    category.update(call.body)
    return call.answer(_shown(category))


def delete_category(call: Call) -> Answer:
    del call.audience().categories[_category(call)["id"]]
    return NO_CONTENT


def _interest(call: Call) -> dict[str, Any]:
    found: dict[str, Any] | None = _category(call)["interests"].get(call.arguments[2])
    if found is None:
        raise not_found()
    return found


def get_interests(call: Call) -> Answer:
    category = _category(call)
    found = list(category["interests"].values())
    page = {"interests": call.page(found), "list_id": call.arguments[0], "category_id": category["id"]}
    return call.answer(page | {"total_items": len(found)})


def post_interest(call: Call) -> Answer:
    audience, category = call.audience(), _category(call)
    id_ = f"{audience.new_id():08x}in"
    base = {
        "category_id": category["id"],
        "list_id": audience.id,
        "id": id_,
        "subscriber_count": "0",
        "display_order": 1,
    }
    category["interests"][id_] = base | call.body
    return call.answer(category["interests"][id_])


def get_interest(call: Call) -> Answer:
    return call.answer(_interest(call))


def patch_interest(call: Call) -> Answer:
    interest = _interest(call)
    interest.update(call.body)
    return call.answer(interest)


def delete_interest(call: Call) -> Answer:
    del _category(call)["interests"][_interest(call)["id"]]
    return NO_CONTENT


HANDLERS: Handlers = {
    "getListsIdInterestCategories": get_categories,
    "postListsIdInterestCategories": post_category,
    "getListsIdInterestCategoriesId": get_category,
    "patchListsIdInterestCategoriesId": patch_category,
    "deleteListsIdInterestCategoriesId": delete_category,
    "getListsIdInterestCategoriesIdInterests": get_interests,
    "postListsIdInterestCategoriesIdInterests": post_interest,
    "getListsIdInterestCategoriesIdInterestsId": get_interest,
    "patchListsIdInterestCategoriesIdInterestsId": patch_interest,
    "deleteListsIdInterestCategoriesIdInterestsId": delete_interest,
}

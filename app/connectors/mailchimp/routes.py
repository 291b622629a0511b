"""Mailchimp's paths as templates, for metrics and traces: ids, hashes and addresses become `{id}`.

Source: Marketing API, the paths this connector calls.
"""

from functools import partial
from typing import Any

from app.connectors.calls import named, template

VENDOR = "mailchimp"
# fmt: off
_WORDS = frozenset({
    "actions", "batch-webhooks", "batches", "campaigns", "customers", "delete-permanent", "ecommerce",
    "interest-categories", "interests", "lines", "lists", "members", "merge-fields", "metadata", "oauth2",
    "orders", "ping", "products", "search-members", "segments", "stores", "tags", "token", "variants", "webhooks",
})
# fmt: on

route = partial(template, words=_WORDS)


def call(path: str) -> dict[str, Any]:
    """The extensions of a call to `path`."""
    return named(VENDOR, route(path))

"""What a request says of itself to whoever counts and traces calls: the vendor and a route template."""

from collections.abc import Collection
from typing import Any

ID = "{id}"


def named(vendor: str, route: str, **more: Any) -> dict[str, Any]:
    """The httpx extensions of a call; `route` holds no id, address or secret."""
    return {"call": (vendor, route), **more}


def template(path: str, words: Collection[str]) -> str:
    """`path` with everything replaced that is none of the vendor's own words, so that nothing else can get through."""
    parts = path.partition("?")[0].strip("/").split("/")
    return "/" + "/".join(part if part in words else ID for part in parts)

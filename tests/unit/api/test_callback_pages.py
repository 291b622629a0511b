"""Who gets a page and who gets JSON."""

import pytest

from app.api.callback_pages import wants_html


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", True),
        ("text/html", True),
        ("TEXT/HTML; charset=utf-8", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/plain, */*", False),
        ("text/html;q=0.5, application/json", False),
        ("application/problem+json, text/html;q=0.9", False),
        ("text/html;q=0", False),
        ("text/html;q=x", False),
        ("application/json;q=0.3, text/html;q=0.4", True),
    ],
)
def test_pages_are_for_those_who_prefer_them(accept: str, html: bool) -> None:
    assert wants_html(accept) is html

"""What is true of each page there is: guarded, nothing written into it, and no form of it works without its mark."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.console.guarding import POLICY
from tests.integration.api.conftest import Api
from tests.integration.console.conftest import Browser
from tests.integration.console.test_rights import PAGES, address, furnished

pytestmark = pytest.mark.integration

STREAMS = ("/events", "/export")
TEMPLATES = Path("app/console/templates")


class Written(HTMLParser):
    """Gathers what a strict policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.found.append(f"<{tag}>")
        self.found += [name for name in given if name == "style" or name.startswith("on")]
        for name in ("href", "src", "action", "formaction"):
            value = given.get(name) or ""
            if value.startswith(("http:", "https:", "//", "javascript:", "data:")):
                self.found.append(f"{name}={value}")


async def test_every_page_is_guarded_and_holds_nothing_of_its_own(browser: Browser, api: Api) -> None:
    tenant, ids = await furnished(api, "one")
    await browser.sign_in()
    looked_at = 0

    for method, path in PAGES:
        if method != "GET" or path.endswith(STREAMS):
            continue
        answer = await browser.get(address(path, tenant, ids), follow_redirects=True)
        written = Written()
        written.feed(answer.text)
        assert written.found == [], path
        assert answer.status_code in (200, 404), (path, answer.status_code)
        assert answer.headers["content-security-policy"] == POLICY, path
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["x-frame-options"] == "DENY", path
        looked_at += answer.status_code == 200

    assert looked_at >= 20
    assert "unsafe" not in POLICY


async def test_no_form_works_without_its_mark_or_from_elsewhere(browser: Browser, api: Api) -> None:
    tenant, ids = await furnished(api, "one")
    await browser.sign_in()
    await browser.get(f"/console/t/{tenant}")
    form = browser.page
    before = (await api.get(f"/v1/tenants/{tenant}/audit?limit=1")).json()["items"][0]["seq"]
    posts = [path for method, path in PAGES if method == "POST"]

    for path in posts:
        at = address(path, tenant, ids)
        for marks, headers in (
            ({"csrf": ""}, {}),
            ({"csrf": "x" * 43}, {}),
            ({}, {"Origin": "https://evil.test"}),
            ({}, {"Sec-Fetch-Site": "cross-site"}),
        ):
            browser.page = form
            answer = await browser.post(at, marks, **headers)
            assert (answer.status_code, "no longer valid" in answer.text) == (403, True), (path, marks, headers)

    assert len(posts) > 30
    assert (await api.get(f"/v1/tenants/{tenant}/audit?limit=1")).json()["items"][0]["seq"] == before


def test_every_form_that_changes_something_carries_the_mark() -> None:
    forms = 0
    for template in sorted(TEMPLATES.glob("*.html")):
        text = template.read_text()
        for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL):
            forms += 1
            assert "csrf" in form, f"{template.name}: {form[:120]}"
    assert forms > 25

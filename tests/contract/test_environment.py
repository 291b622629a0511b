"""What must and must not be installed."""

import importlib.util
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def test_httpx2_is_not_installed() -> None:
    # Authlib's clients would subclass httpx2's as soon as it can be imported, past our egress guard and past respx.
    assert importlib.util.find_spec("httpx2") is None


def test_no_lock_asks_for_httpx2() -> None:
    for lock in ("constraints.txt", "requirements.lock"):
        names = {line.split("==")[0] for line in (CHECKOUT / lock).read_text().splitlines() if "==" in line}
        assert "httpx" in names
        assert "httpx2" not in names


def test_no_lock_names_a_host() -> None:
    assert [lock for lock in ("constraints.txt", "requirements.lock") if "://" in (CHECKOUT / lock).read_text()] == []


def test_the_image_gets_greenlet() -> None:
    # SQLAlchemy no longer asks for it by itself, and developer tools hide that.
    assert "\ngreenlet==" in (CHECKOUT / "requirements.lock").read_text()

import pytest

from app.connectors.mailchimp.auth import open_access
from app.domain.errors import NeedsTenant


@pytest.mark.parametrize("key", ["0123-us6", "a-b-c-us21", " 0123-us6 "])
def test_the_data_centre_is_what_follows_the_last_hyphen(key: str) -> None:
    access = open_access("api_key", {}, {"api_key": key}, {})
    assert access.base_url == f"https://{key.strip().rpartition('-')[2]}.api.mailchimp.com/3.0"


@pytest.mark.parametrize(
    "suffix", ["evil.test/", "us6.evil.test", "us6#", "US6", "6", "us", "", "us6\nx", "us6@evil.test", "ús6"]
)
def test_a_suffix_that_is_no_data_centre_never_becomes_a_host(suffix: str) -> None:
    with pytest.raises(NeedsTenant):
        open_access("api_key", {}, {"api_key": f"0123-{suffix}"}, {})


@pytest.mark.parametrize("key", ["", "  ", None, 5, "with space-us6", "kéy-us6", "a\r\nHost: x-us6"])
def test_a_key_no_account_can_have_is_refused_before_it_is_sent(key: object) -> None:
    with pytest.raises(NeedsTenant):
        open_access("api_key", {}, {"api_key": key}, {})


def test_a_given_address_wins_and_gets_the_version_when_it_has_no_path() -> None:
    for given, made in (
        ("http://127.0.0.1:9/", "http://127.0.0.1:9/3.0"),
        ("https://x.test/v/3.0/", "https://x.test/v/3.0"),
    ):
        assert open_access("api_key", {"base_url": given}, {"api_key": "k"}, {}).base_url == made


@pytest.mark.parametrize("given", ["ftp://x.test", "x.test", "https://", "https://x.test/3.0?a=b"])
def test_a_given_address_must_be_one(given: str) -> None:
    with pytest.raises(NeedsTenant):
        open_access("api_key", {"base_url": given}, {"api_key": "k-us1"}, {})


def test_a_token_finds_its_data_centre_in_the_facts() -> None:
    access = open_access("oauth", {}, {"access_token": "tok"}, {"data_centre": "us9"})
    assert (access.base_url, access.oauth) == ("https://us9.api.mailchimp.com/3.0", True)
    for facts in ({}, {"data_centre": "us9.evil.test"}):
        with pytest.raises(NeedsTenant):
            open_access("oauth", {}, {"access_token": "tok"}, facts)


def test_nothing_shows_the_key() -> None:
    assert "sekret" not in repr(open_access("api_key", {}, {"api_key": "sekret-us1"}, {}))

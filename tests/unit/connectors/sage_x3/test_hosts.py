"""Which host a callback may name: it is sent the client secret next."""

import pytest

from app.connectors.sage_x3.hosts import GATEWAY_HOSTS, checked_endpoint, is_gateway_host, parse_hosts
from app.domain.errors import NeedsTenant

REGION = "https://api.eu-prod-sagex3.com/v1"


@pytest.mark.parametrize(
    ("endpoint", "taken"),
    [
        (None, REGION),
        ("", REGION),
        ("https://api.us-prod-sagex3.com/v1", "https://api.us-prod-sagex3.com/v1"),
        (" https://api.us-prod-sagex3.com/v1/ ", "https://api.us-prod-sagex3.com/v1"),
        ("https://api.us-prod-sagex3.com:443/v1", "https://api.us-prod-sagex3.com:443/v1"),
        (REGION, REGION),
    ],
)
def test_gateways_of_sage_are_taken(endpoint: str | None, taken: str) -> None:
    assert checked_endpoint(endpoint, REGION, GATEWAY_HOSTS) == taken


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://api.us-prod-sagex3.com/v1",
        "https://api.us-prod-sagex3.com:8443/v1",
        "https://evil.test/v1",
        "https://evil.test/-sagex3.com",
        "https://evil.test?-sagex3.com",
        "https://evil.test#api.us-prod-sagex3.com",
        "https://api.us-prod-sagex3.com@evil.test/v1",
        "https://evil.test\\.us-prod-sagex3.com/v1",
        "https://evil.test\\@api.us-prod-sagex3.com/v1",
        "https://api.us-prod-sagex3.com.evil.test/v1",
        "https://api.us-prod-sagex3.com./v1",
        "https://-sagex3.com/v1",
        "https://a..b-sagex3.com/v1",
        "https://api.us-prod-sagex3.com/v1/../x",
        "https://api.us-prod-sagex3.com/v1?redirect=https://evil.test",
        "https://api.us-prod-sagex3.com/%2e%2e",
        "https://api.us-prod-sagex3.com/v1\r\nHost: evil.test",
        "https://api.us-prod-\u017fagex3.com/v1",
        "https://аpi.us-prod-sagex3.com/v1",
        "https:api.us-prod-sagex3.com/v1",
        "//api.us-prod-sagex3.com/v1",
        "https:///api.us-prod-sagex3.com/v1",
        "https://[::1]/v1",
        "https://10.0.0.1/v1",
        "javascript:alert(1)",
        "x" * 5000,
    ],
)
def test_everything_else_is_refused(endpoint: str) -> None:
    with pytest.raises(NeedsTenant) as refused:
        checked_endpoint(endpoint, REGION, GATEWAY_HOSTS)
    assert refused.value.code == "x3_endpoint"


def test_capitals_are_refused_rather_than_guessed() -> None:
    with pytest.raises(NeedsTenant):
        checked_endpoint("HTTPS://api.us-prod-sagex3.com/v1", REGION, GATEWAY_HOSTS)


def test_a_region_of_the_tenants_own_needs_no_list() -> None:
    own = "https://gateway.acme.test:8443/v1"

    assert checked_endpoint(own, own, GATEWAY_HOSTS) == own
    with pytest.raises(NeedsTenant):
        checked_endpoint("https://gateway.acme.test/v1", own, GATEWAY_HOSTS)


def test_the_operator_lists_endings_and_whole_hosts() -> None:
    hosts = parse_hosts(" api.eu-prod-sagex3.com, .sage.test ,-x3.test,")

    assert hosts == ("api.eu-prod-sagex3.com", ".sage.test", "-x3.test")
    for host, taken in (
        ("api.eu-prod-sagex3.com", True),
        ("API.EU-prod-sagex3.com", True),
        ("evil-api.eu-prod-sagex3.com", False),
        ("a.sage.test", True),
        ("sage.test", False),
        ("api.eu-x3.test", True),
        ("api.us-prod-sagex3.com", False),
    ):
        assert is_gateway_host(host, hosts) is taken, host

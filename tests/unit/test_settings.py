"""What settings refuse before anything is started, and how they say it."""

import pytest
from pydantic import ValidationError

from app.settings import Settings
from tests.fixtures.settings import MASTER_KEY, OPERATOR_KEY

NEEDED = {
    "database_url": "postgresql://x",
    "redis_url": "redis://x",
    "operator_key": OPERATOR_KEY,
    "master_keys": MASTER_KEY,
}


def test_places_that_calls_may_reach_are_ranges_addresses_or_hosts() -> None:
    given = "10.1.0.0/16, 127.0.0.1 ,::1/128,x3.acme.test,*.acme.test,"

    allowed = Settings.model_validate({**NEEDED, "egress_allow": given}).egress_allow

    assert allowed == ("10.1.0.0/16", "127.0.0.1", "::1/128", "x3.acme.test", "*.acme.test")


@pytest.mark.parametrize("wrong", ["10.1.0.0/33", "https://x3.acme.test", "x3.acme.test/24"])
def test_a_place_that_is_none_is_named(wrong: str) -> None:
    with pytest.raises(ValidationError, match=f"{wrong} is no address range such as 10.1.0.0/16"):
        Settings.model_validate({**NEEDED, "egress_allow": f"10.0.0.1,{wrong}"})

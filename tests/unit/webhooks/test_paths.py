"""A secret path is known by its hash only, and only to its tenant."""

from uuid import uuid4

import pytest

from app.connections.vault import TenantKeys
from app.webhooks.paths import is_of, new_path, parted, url_of

KEYS = TenantKeys(uuid4(), bytes(range(32)))


def test_a_path_has_256_secret_bits_and_nothing_of_it_is_stored() -> None:
    made = new_path(KEYS)
    parts = parted(made.segment)

    assert parts is not None
    assert (parts[0], len(parts[1])) == (made.key_id, 43)  # 62 ** 43 > 2 ** 256
    assert parts[1].encode() not in made.secret_hash
    assert len({new_path(KEYS).segment for _ in range(100)}) == 100


def test_only_the_whole_secret_of_the_same_tenant_fits() -> None:
    made, others = new_path(KEYS), TenantKeys(uuid4(), bytes(range(1, 33)))
    swapped = made.segment[:-1] + ("0" if made.segment[-1] != "0" else "1")

    assert is_of(made.segment, KEYS, made.key_id, made.secret_hash)
    for segment, keys in ((swapped, KEYS), (made.segment, others), (made.segment[1:], KEYS), ("", KEYS)):
        assert not is_of(segment, keys, made.key_id, made.secret_hash)


@pytest.mark.parametrize("segment", ["", "x", "é" * 55, "0" * 54, "0" * 56, "0" * 54 + "-", "٣" * 55, "0" * 54 + "\n"])
def test_what_is_no_path_has_no_parts(segment: str) -> None:
    assert parted(segment) is None


def test_the_address_says_which_vendor_may_call_it() -> None:
    assert url_of("https://hooks.acme.test/", "audience", "s") == "https://hooks.acme.test/hooks/mailchimp/s"
    assert url_of("https://hooks.acme.test", "batch", "s") == "https://hooks.acme.test/hooks/mailchimp/s"
    assert url_of("https://hooks.acme.test", "transactional", "s") == "https://hooks.acme.test/hooks/mandrill/s"

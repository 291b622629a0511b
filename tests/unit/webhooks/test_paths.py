"""A secret path is known by its hash only, and only to its tenant."""

from uuid import uuid4

import pytest

from app.connections.vault import TenantKeys
from app.db.webhooks import Place
from app.webhooks.paths import KNOWN_PATHS, KnownPaths, LivePath, is_of, new_path, parted, url_of

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


def a_path() -> LivePath:
    place = Place(uuid4(), uuid4(), uuid4(), "audience", "0" * 12, None)
    return LivePath(place, KEYS, "https://hooks.acme.test/hooks/mailchimp/s", None, is_stale=True)


def test_a_path_is_known_for_half_a_minute_to_its_vendor_alone_and_its_use_noted_once() -> None:
    known, path = KnownPaths(), a_path()
    known.add("mailchimp", "s", path, now=100.0)

    found = known.get("mailchimp", "s", now=129.0)
    assert found is not None
    assert (found.place, found.is_stale) == (path.place, False)
    assert [known.get("mandrill", "s", now=101.0), known.get("mailchimp", "t", now=101.0)] == [None, None]
    assert known.get("mailchimp", "s", now=130.0) is None


def test_so_many_paths_are_known_and_no_more() -> None:
    known = KnownPaths()
    for number in range(KNOWN_PATHS + 1):
        known.add("mailchimp", str(number), a_path(), now=1.0)

    assert known.get("mailchimp", "0", now=2.0) is None
    assert known.get("mailchimp", "1", now=2.0) is not None

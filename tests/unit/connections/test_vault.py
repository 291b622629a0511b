"""Sealed values open where they belong and nowhere else; master keys are rotated without touching them."""

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connections.vault import CannotOpen, TenantKeys, UnknownKey, Vault, parse_keyring

OURS, THEIRS = UUID(int=1), UUID(int=2)
ROW, OTHER_ROW = UUID(int=11), UUID(int=12)
KEY = bytes(range(32))


def encoded(first: int) -> str:
    return base64.b64encode(bytes(range(first, first + 32))).decode()


def ours() -> TenantKeys:
    return TenantKeys(OURS, KEY)


@given(st.binary(max_size=500))
def test_what_is_sealed_opens_again_and_does_not_show(plain: bytes) -> None:
    sealed = ours().seal(plain, ROW, "credential")

    assert ours().open(sealed, ROW, "credential") == plain
    assert len(sealed) == len(plain) + 29
    assert len(plain) < 8 or plain not in sealed


def test_the_same_value_is_never_sealed_alike() -> None:
    assert ours().seal(b"secret", ROW, "credential") != ours().seal(b"secret", ROW, "credential")


@pytest.mark.parametrize(
    ("keys", "row", "field"),
    [
        (TenantKeys(THEIRS, KEY), ROW, "credential"),
        (ours(), OTHER_ROW, "credential"),
        (ours(), ROW, "signing_secret"),
        (TenantKeys(OURS, KEY[::-1]), ROW, "credential"),
    ],
    ids=["another tenant", "another row", "another field", "another key"],
)
def test_a_sealed_value_that_was_moved_does_not_open(keys: TenantKeys, row: UUID, field: str) -> None:
    sealed = ours().seal(b"secret", ROW, "credential")

    with pytest.raises(CannotOpen):
        keys.open(sealed, row, field)


def test_one_changed_bit_anywhere_is_noticed() -> None:
    sealed = ours().seal(b"secret", ROW, "credential")

    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(CannotOpen):
            ours().open(bytes(changed), ROW, "credential")


def test_many_are_sealed_as_one_would_be() -> None:
    sealed = ours().seal_many([b"a", b"b"], ROW, "record.email")

    assert [ours().open(each, ROW, "record.email") for each in sealed] == [b"a", b"b"]
    assert sealed[0][1:13] != sealed[1][1:13]


def test_a_digest_stands_for_a_value_of_one_tenant_only() -> None:
    assert ours().digest(b"ada@acme.test") == ours().digest(b"ada@acme.test")
    assert ours().digest(b"ada@acme.test") != TenantKeys(THEIRS, KEY[::-1]).digest(b"ada@acme.test")


def test_a_rotated_master_key_opens_what_was_sealed_before() -> None:
    before, both = Vault(f"k1:{encoded(0)}"), Vault(f"k2:{encoded(100)},k1:{encoded(0)}")
    wrapped, key_id = before.new_data_key(OURS)
    sealed = before.tenant(OURS, wrapped, key_id).seal(b"secret", ROW, "credential")

    rewrapped, new_id = both.rewrap(OURS, wrapped, key_id)

    assert new_id == "k2"
    assert Vault(f"k2:{encoded(100)}").tenant(OURS, rewrapped, new_id).open(sealed, ROW, "credential") == b"secret"


def test_a_data_key_opens_for_its_tenant_and_master_key_only() -> None:
    vault = Vault(f"k1:{encoded(0)}")
    wrapped, key_id = vault.new_data_key(OURS)

    with pytest.raises(CannotOpen):
        vault.tenant(THEIRS, wrapped, key_id)
    with pytest.raises(UnknownKey):
        Vault(f"k2:{encoded(100)}").tenant(OURS, wrapped, key_id)
    with pytest.raises(CannotOpen):
        Vault(f"k1:{encoded(100)}").tenant(OURS, wrapped, key_id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k1",
        "k1:c2hvcnQ=",
        f"k1:{base64.b64encode(bytes(32)).decode()}",
        f"k1:{encoded(0)},k1:{encoded(1)}",
        "k1:%%%",
    ],
)
def test_keys_that_protect_nothing_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="MLC_MASTER_KEYS") as refused:
        parse_keyring(text)

    assert not text or text.partition(":")[2] == "" or text.partition(":")[2] not in str(refused.value)

"""Addresses are found in what people really type, and nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.emails import addresses, fault, first_address, is_garbage, is_ordinary


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("ada@acme.test", ["ada@acme.test"]),
        ("Ada.Lovelace@ACME.Test", ["Ada.Lovelace@acme.test"]),
        ("a@x.fr;b@y.fr", ["a@x.fr", "b@y.fr"]),
        ("a@x.fr, b@y.fr  c@z.fr", ["a@x.fr", "b@y.fr", "c@z.fr"]),
        ("a@x.fr/b@y.fr", ["a@x.fr", "b@y.fr"]),
        ("Ada Lovelace <ada@acme.test>", ["ada@acme.test"]),
        ('"Lovelace, Ada" <ada@acme.test>', ["ada@acme.test"]),
        ("mailto:ada@acme.test?subject=Hello", ["ada@acme.test"]),
        ("MAILTO:ada@acme.test", ["ada@acme.test"]),
        ("'ada@acme.test'", ["ada@acme.test"]),
        ("ada@acme.test.", ["ada@acme.test"]),
        (" ada@acme.test\r\n", ["ada@acme.test"]),
        ("e-mail: ada@acme.test", ["ada@acme.test"]),
        ("ada@acme.test\u200b", ["ada@acme.test"]),
        ("ada\uff20acme\uff0etest", ["ada@acme.test"]),
        ("info@b\u00fccher.de", ["info@xn--bcher-kva.de"]),
        ("info@\u4f8b\u5b50.\u4e2d\u56fd", ["info@xn--fsqu00a.xn--fiqs8s"]),
        ("o'brien+list@mail.acme.co.uk", ["o'brien+list@mail.acme.co.uk"]),
        ("nothing, then a@x.fr", ["a@x.fr"]),
    ],
)
def test_addresses_are_found_in_what_people_type(raw: str, found: list[str]) -> None:
    assert list(addresses(raw)) == found


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "n/a",
        "ada",
        "ada@",
        "@acme.test",
        "ada@acme",
        "ada@localhost",
        "ada@acme..test",
        "ada..l@acme.test",
        ".ada@acme.test",
        "ada@-acme.test",
        "ada@acme-.test",
        "ada@127.0.0.1",
        "ada@acme.t",
        "ada@b@acme.test@",
        "ren\u00e9@acme.test",
        "ada@stra\u00dfe.de",
        "a" * 65 + "@acme.test",
        "ada@" + "a" * 64 + ".test",
        "ada@" + "a." * 130 + "test",
        "ada@ acme.test",
        "\ud800@acme.test",
    ],
)
def test_what_mailchimp_would_refuse_is_no_address(raw: str) -> None:
    assert list(addresses(raw)) == []


def test_the_longest_allowed_address_passes() -> None:
    longest = "a" * 64 + "@" + ".".join(["b" * 63, "c" * 63, "d" * 57]) + ".fr"

    assert len(longest) == 253
    assert list(addresses(longest)) == [longest]


def test_the_first_valid_address_of_the_slots_wins() -> None:
    assert first_address((" ", "none", "x@y; b@y.fr", "c@z.fr")) == "b@y.fr"
    assert first_address(()) is None


@pytest.mark.parametrize(("raw", "holds_something"), [("", False), (" ", False), ("-", False), ("..", False)])
def test_blanks_and_dashes_are_nothing(raw: str, holds_something: bool) -> None:
    assert is_garbage(raw) is holds_something


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("secret", "no @ in it"),
        ("secret@", "nothing before or after the @"),
        ("secret@acme", "no top-level domain"),
        ("sec..ret@acme.test", "two dots in a row"),
        ("s" * 70 + "@acme.test", "too long"),
        ("s\u00e9cret@acme.test", "characters before the @ that no address may hold"),
    ],
)
def test_the_fault_is_told_without_the_address(raw: str, why: str) -> None:
    assert is_garbage(raw)
    assert fault(raw) == why


@given(st.text(alphabet=st.characters(), max_size=120) | st.from_regex(r"[ -~]{0,20}@[ -~]{0,30}", fullmatch=True))
def test_nothing_typed_can_break_the_search(raw: str) -> None:
    fault(raw)
    for address in addresses(raw):
        assert is_ordinary(address)
        assert address.isascii()
        assert address.count("@") == 1
        assert not any(map(str.isspace, address))


@given(st.emails(domains=st.just("acme.test")))
def test_an_ordinary_address_survives_any_wrapping(email: str) -> None:
    if is_ordinary(email) and not set(email) & set("'`/|&?"):
        for wrapped in (
            f" {email} ",
            f"<{email}>",
            f"Somebody <{email}>",
            f"{email};",
            f"mailto:{email}",
            f'"{email}"',
        ):
            assert list(addresses(wrapped)) == [email]

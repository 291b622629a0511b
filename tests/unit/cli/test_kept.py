import stat
from pathlib import Path

import pytest

from app.cli.kept import Given, add_master_key, make_data_dir, master_keys, operator_key
from app.connections.vault import parse_keyring


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MLC_OPERATOR_KEY", "MLC_MASTER_KEYS"):
        monkeypatch.delenv(name, raising=False)


def test_missing_keys_are_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    first = operator_key(Given(), tmp_path), master_keys(Given(), tmp_path)
    second = operator_key(Given(), tmp_path), master_keys(Given(), tmp_path)

    assert first == second
    assert len(first[0]) >= 24
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("operator.key", "master.keys")} == {0o600}


def test_given_keys_are_used_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLC_OPERATOR_KEY", "given-operator-key")
    monkeypatch.setenv("MLC_MASTER_KEYS", "given:keys")

    assert (operator_key(Given(), tmp_path), master_keys(Given(), tmp_path)) == ("given-operator-key", "given:keys")
    assert list(tmp_path.iterdir()) == []


def test_two_data_directories_have_different_keys(tmp_path: Path) -> None:
    here, there = make_data_dir(tmp_path / "a" / "b"), make_data_dir(tmp_path / "c")

    assert operator_key(Given(), here) != operator_key(Given(), there)
    assert master_keys(Given(), here) != master_keys(Given(), there)


def test_a_new_master_key_becomes_the_active_one_and_the_old_one_stays(tmp_path: Path) -> None:
    before = parse_keyring(master_keys(Given(), tmp_path))

    after = parse_keyring(add_master_key(tmp_path))

    assert list(after)[1:] == list(before)
    assert next(iter(after)) not in before
    assert parse_keyring((tmp_path / "master.keys").read_text()) == after
    assert stat.S_IMODE((tmp_path / "master.keys").stat().st_mode) == 0o600

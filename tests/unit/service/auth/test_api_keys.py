"""API keys: who may do what is read from a file that stays private, and a key can be revoked while we run."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.auth.api_keys import (
    BadCredentials,
    BadKeys,
    CurrentKeys,
    Key,
    Keys,
    parse_keys,
    presented_key,
    read_keys,
)

SECRET = "w" * 40
TODAY = date(2026, 11, 24)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def table(name: str = "cms", key: str = "rs_cms", more: str = 'scopes = ["write"]') -> str:
    return f'[{name}]\nsha256 = "{digest(key)}"\n{more}\n'


def file_of(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def test_a_key_is_read_with_all_that_the_file_says(tmp_path: Path) -> None:
    more = f'scopes = ["write", "editor"]\nbrand = "courier"\nwebhook_secret = "{SECRET}"\nexpires = 2027-01-01\n'
    assert read_keys(file_of(tmp_path, table(more=more))).by_name == {
        "cms": Key(
            name="cms",
            sha256=digest("rs_cms"),
            scopes=frozenset({"read", "write", "editor"}),
            brand="courier",
            webhook_secret=SECRET,
            expires=date(2027, 1, 1),
        )
    }


def test_an_empty_file_holds_no_keys(tmp_path: Path) -> None:
    assert read_keys(file_of(tmp_path, "")) == Keys({})


@pytest.mark.parametrize("scope", ["read", "write", "editor"])
def test_every_scope_includes_reading(scope: str) -> None:
    assert parse_keys(table(more=f'scopes = ["{scope}"]'), "").by_name["cms"].scopes == {"read", scope}


def test_neither_digest_nor_secret_shows_in_a_log() -> None:
    keys = parse_keys(table(more=f'scopes = ["write"]\nwebhook_secret = "{SECRET}"'), "")
    for shown in (repr(keys), str(keys.by_name["cms"]), f"{keys.by_name!r}"):
        assert "cms" in shown
        assert SECRET not in shown
        assert digest("rs_cms") not in shown


def test_a_key_is_found_by_its_text_alone() -> None:
    keys = parse_keys(table("cms", "rs_cms") + table("desk", "rs_desk") + table("app", "rs_app"), "")
    for name in ("cms", "desk", "app"):
        assert keys.find(f"rs_{name}", TODAY) is keys.by_name[name]
    for wrong in ("", "rs_", "rs_cms ", "RS_CMS", digest("rs_cms"), "\ud800", "é"):
        assert keys.find(wrong, TODAY) is None
    assert Keys({}).find("rs_cms", TODAY) is None


@settings(deadline=None)
@given(st.text())
def test_no_other_text_is_a_key(presented: str) -> None:
    found = parse_keys(table(), "").find(presented, TODAY)
    assert (found is not None) == (presented == "rs_cms")


def test_a_key_no_longer_counts_from_the_day_it_expires() -> None:
    keys = parse_keys(table(more='scopes = ["read"]\nexpires = 2026-11-24'), "")
    for found in (keys.find("rs_cms", TODAY), keys.named("cms", TODAY)):
        assert found is None
    eve = date(2026, 11, 23)
    assert keys.find("rs_cms", eve) is keys.named("cms", eve) is keys.by_name["cms"]
    assert keys.named("desk", eve) is None


SHA = f'sha256 = "{"0" * 64}"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[cms\n", "keys.toml: Expected ']'"),
        ("cms = 3\n", "'cms' is not a key: a key is a table, [cms]"),
        (table('"a/b"'), "the name 'a/b' may hold only letters, digits, - and _, 60 at most"),
        (
            table(more='scopes = ["read"]\nscope = 1'),
            "[cms] has an unknown entry 'scope'; known are sha256, scopes, brand",
        ),
        ("[cms]\nscopes = ['read']", "[cms] lacks sha256: the key's SHA-256: 64 hex digits, lower case"),
        ("[cms]\n" + SHA, "[cms] lacks scopes: a list of read, write or editor"),
        ("[cms]\nsha256 = 'rs_x'\nscopes = ['read']", "[cms] sha256 must be the key's SHA-256: 64 hex digits"),
        (f"[cms]\nsha256 = '{'A' * 64}'\nscopes = ['read']", "[cms] sha256 must be the key's SHA-256: 64 hex digits"),
        (f'[cms]\nsha256 = "{"a" * 64}\\n"\nscopes = ["read"]', "[cms] sha256 must be the key's SHA-256"),
        (table(more="scopes = ['admin']"), "[cms] scopes must be a list of read, write or editor"),
        (table(more="scopes = 'read'"), "[cms] scopes must be a list of read, write or editor"),
        (table(more="scopes = []"), "[cms] scopes must be a list of read, write or editor"),
        (table(more="scopes = ['read']\nbrand = 1"), "[cms] brand must be text"),
        (table(more="scopes = ['read']\nexpires = 'soon'"), "[cms] expires must be a date, such as 2027-01-01"),
        (table(more="scopes = ['read']\nexpires = 2027-01-01T10:00:00Z"), "[cms] expires must be a date"),
        (
            table(more=f"scopes = ['write']\nwebhook_secret = '{'s' * 31}'"),
            "[cms] webhook_secret must be text of at least 32 characters",
        ),
        (table("cms") + table("desk"), "[cms] and [desk] are the same key: make one of them anew"),
    ],
)
def test_a_wrong_file_is_refused_by_table_and_entry_and_what_is_allowed(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadKeys) as error:
        read_keys(file_of(tmp_path, text))
    assert "keys.toml" in str(error.value)
    assert told in str(error.value)
    assert "s" * 31 not in str(error.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o601])
def test_a_file_that_others_can_use_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    path = file_of(tmp_path, table(), mode)
    with pytest.raises(BadKeys) as error:
        read_keys(path)
    assert str(error.value).endswith(f"(mode {mode:04o}), and it may hold secrets: chmod 600 {path}")


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadKeys, match=r"absent\.toml"):
        read_keys(tmp_path / "absent.toml")
    path = file_of(tmp_path, "")
    path.write_bytes(b"\xff")
    with pytest.raises(BadKeys, match=r"keys\.toml: 'utf-8'"):
        read_keys(path)


def replace(path: Path, text: str) -> None:
    """As scripts/keys.py does it: a new file takes the old one's place."""
    new = path.with_name("new.toml")
    new.touch(mode=0o600)
    new.write_text(text, "utf-8")
    new.replace(path)


def test_a_revoked_key_stops_working_within_a_second_without_a_restart(tmp_path: Path) -> None:
    path = file_of(tmp_path, table("cms", "rs_cms") + table("desk", "rs_desk"))
    current = CurrentKeys(path)
    assert set(current.get(100.0).by_name) == {"cms", "desk"}
    replace(path, table("desk", "rs_desk"))
    assert set(current.get(100.9).by_name) == {"cms", "desk"}
    assert set(current.get(101.0).by_name) == {"desk"}
    assert current.problem is None


def test_a_file_that_stays_as_it_is_is_read_once(tmp_path: Path) -> None:
    current = CurrentKeys(file_of(tmp_path, table()))
    assert current.get(100.0) is current.get(200.0)


def test_a_broken_new_version_keeps_the_keys_and_says_so_until_it_is_mended(tmp_path: Path) -> None:
    path = file_of(tmp_path, table())
    current = CurrentKeys(path)
    replace(path, "[cms")
    assert set(current.get(101.0).by_name) == {"cms"}
    assert current.problem is not None
    assert "keys.toml: Expected ']'" in current.problem
    assert current.problem.endswith("the keys as they were before still count")
    replace(path, table("desk"))
    assert set(current.get(102.0).by_name) == {"desk"}
    assert current.problem is None


def test_a_file_that_vanishes_keeps_the_keys(tmp_path: Path) -> None:
    path = file_of(tmp_path, table())
    current = CurrentKeys(path)
    path.unlink()
    assert set(current.get(101.0).by_name) == {"cms"}
    assert "No such file" in str(current.problem)


def test_a_fault_that_passes_without_a_change_of_the_file_is_noticed(tmp_path: Path) -> None:
    path = file_of(tmp_path, table())
    current = CurrentKeys(path)
    replace(path, table("desk"))
    before = path.stat()
    path.chmod(0o644)
    assert set(current.get(101.0).by_name) == {"cms"}
    assert "chmod 600" in str(current.problem)
    path.chmod(0o600)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert set(current.get(102.0).by_name) == {"desk"}


def test_a_service_does_not_start_with_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(BadKeys):
        CurrentKeys(file_of(tmp_path, "[cms"))


@pytest.mark.parametrize(
    ("authorization", "plain", "key"),
    [
        (None, None, None),
        ("", "", None),
        ("Bearer rs_a", None, "rs_a"),
        ("bearer  rs_a ", None, "rs_a"),
        (None, " rs_a ", "rs_a"),
        ("Bearer rs_a", "rs_a", "rs_a"),
        ("Bearer rs_a", "", "rs_a"),
        ("Basic dXNlcjpwYXNz", "rs_a", "rs_a"),
    ],
)
def test_the_key_is_taken_from_either_header(authorization: str | None, plain: str | None, key: str | None) -> None:
    assert presented_key(authorization, plain) == key


@pytest.mark.parametrize(
    ("authorization", "plain", "told"),
    [
        ("Bearer rs_a", "rs_b", "Authorization and X-API-Key hold two different keys"),
        ("Bearer", None, "must read: Bearer KEY"),
        ("Bearer ", "rs_a", "must read: Bearer KEY"),
        ("rs_a", None, "must read: Bearer KEY"),
        ("Basic dXNlcjpwYXNz", None, "must read: Bearer KEY"),
    ],
)
def test_headers_that_present_no_one_key_are_refused_without_repeating_it(
    authorization: str, plain: str | None, told: str
) -> None:
    with pytest.raises(BadCredentials) as error:
        presented_key(authorization, plain)
    assert told in str(error.value)
    assert "rs_" not in str(error.value)

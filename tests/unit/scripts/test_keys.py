"""scripts/keys.py: a key is shown once, the file holds what the service needs, and other tables stay as they were."""

from __future__ import annotations

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from keys import main

from service.auth.api_keys import Keys, read_keys

TODAY = date(2026, 11, 24)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def make(file: Path, name: str, *more: str) -> int:
    return main(["new", name, "--file", str(file), "--scopes", "write", *more])


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The secrets on stdout, by what they are called."""
    return dict(line.split(": ") for line in capsys.readouterr().out.splitlines())


def test_the_first_key_makes_a_file_that_only_its_owner_can_read(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(file, "cms") == 0
    secrets = shown(capsys)
    assert list(secrets) == ["key"]
    assert re.fullmatch(r"rs_[A-Za-z0-9_-]{43}", secrets["key"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = read_keys(file).find(secrets["key"], TODAY)
    assert found is not None
    assert (found.name, found.scopes, found.brand, found.expires) == ("cms", {"read", "write"}, "", None)
    assert secrets["key"] not in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == ["keys.toml"]


def test_a_key_has_all_that_was_asked_for(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--scopes", "write, editor", "--brand", 'Le "Courrier" é\\', "--webhook", "--expires", "2027-01-01"]
    assert make(file, "cms", *more) == 0
    secrets = shown(capsys)
    key = read_keys(file).by_name["cms"]
    assert key.scopes == {"read", "write", "editor"}
    assert key.brand == 'Le "Courrier" é\\'
    assert key.webhook_secret == secrets["webhook secret"]
    assert re.fullmatch(r"whs_[A-Za-z0-9_-]{43}", secrets["webhook secret"])
    assert key.expires == date(2027, 1, 1)


def test_every_key_is_another_and_all_of_them_work(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cms", "desk", "app"):
        assert make(file, name) == 0
    presented = [line.removeprefix("key: ") for line in capsys.readouterr().out.splitlines()]
    found = [read_keys(file).find(each, TODAY) for each in presented]
    assert [each.name for each in found if each] == ["cms", "desk", "app"]


def test_a_name_that_is_taken_is_refused_and_the_old_key_stays(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(file, "cms")
    before = file.read_bytes()
    capsys.readouterr()
    assert make(file, "cms") == 2
    told = capsys.readouterr()
    assert "has a key 'cms' already: revoke it, or choose another name" in told.err
    assert told.out == ""
    assert file.read_bytes() == before


def test_the_list_says_who_may_do_what_and_no_secret(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(file, "cms", "--brand", "courier", "--webhook", "--expires", "2027-01-01")
    make(file, "desk", "--scopes", "editor")
    secrets = re.findall(r"(?:rs|whs)_\S+", capsys.readouterr().out)
    assert len(secrets) == 3
    assert main(["list", "--file", str(file)]) == 0
    told = capsys.readouterr().out
    assert told == (
        "cms                  read, write; brand courier; webhooks; until 2027-01-01\n"
        "desk                 editor, read; all brands\n"
    )


BY_HAND = f"""\
# Keys of the Courier.

# The CMS of the newsroom
[cms]
sha256 = "{"a" * 64}"
scopes = [
  "write",  # [sic]
]
webhook_secret = "{"s" * 32}"

# The editors
[ desk ]  # see the wiki
sha256 = "{"b" * 64}"
scopes = ["editor"]

["app"]
sha256 = "{"c" * 64}"
scopes = ["read"]
"""


def by_hand(file: Path, text: str = BY_HAND, mode: int = 0o600) -> Keys:
    file.write_text(text)
    file.chmod(mode)
    return read_keys(file) if mode == 0o600 else Keys({})


@pytest.mark.parametrize("name", ["cms", "desk", "app"])
def test_a_revoked_key_is_gone_and_the_others_stay_as_they_were(
    file: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = by_hand(file)
    assert main(["revoke", name, "--file", str(file)]) == 0
    assert capsys.readouterr().out == f"revoked {name}\n"
    assert read_keys(file).by_name == {each: key for each, key in before.by_name.items() if each != name}
    assert "# Keys of the Courier." in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_revoked_key_takes_its_own_lines_and_no_comment_of_the_next(file: Path) -> None:
    by_hand(file)
    main(["revoke", "cms", "--file", str(file)])
    left = file.read_text()
    assert left.endswith(BY_HAND[BY_HAND.index("# The editors") :])
    assert "s" * 32 not in left


def test_a_new_key_comes_after_what_was_written_by_hand(file: Path) -> None:
    by_hand(file)
    assert make(file, "fourth") == 0
    assert file.read_text().startswith(BY_HAND)
    assert list(read_keys(file).by_name) == ["cms", "desk", "app", "fourth"]


def test_the_last_key_can_be_revoked(file: Path) -> None:
    make(file, "cms")
    assert main(["revoke", "cms", "--file", str(file)]) == 0
    assert read_keys(file) == Keys({})
    assert make(file, "cms") == 0


def test_a_key_written_in_another_way_is_left_to_an_editor(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f'cms = {{ sha256 = "{"a" * 64}", scopes = ["read"] }}\n'
    by_hand(file, text)
    assert main(["revoke", "cms", "--file", str(file)]) == 2
    assert "in a way that only an editor can take out" in capsys.readouterr().err
    assert file.read_text() == text


def test_a_link_to_the_file_stays_a_link(file: Path) -> None:
    link = file.with_name("link.toml")
    by_hand(file)
    link.symlink_to(file)
    assert make(link, "fourth") == 0
    assert link.is_symlink()
    assert "fourth" in read_keys(file).by_name


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["revoke", "nobody"], "has no key 'nobody'; see list"),
        (["new", "a/b", "--scopes", "read"], "'a/b' may hold only letters, digits, - and _, 60 at most"),
        (["new", "a]\nb", "--scopes", "read"], "may hold only letters, digits, - and _, 60 at most"),
        (["new", "a", "--scopes", "admin"], "'admin' is no scope; there are read, write and editor"),
        (["new", "a", "--scopes", ""], "'' is no scope; there are read, write and editor"),
        (["new", "a", "--scopes", "read", "--expires", "soon"], "'soon' is not a date, such as 2027-01-01"),
        (["new", "a"], "--scopes"),
        ([], "COMMAND"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    file: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand(file)
    try:
        code = main([*arguments, "--file", str(file)])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert told in capsys.readouterr().err
    assert file.read_text() == BY_HAND


@pytest.mark.parametrize("command", [["list"], ["revoke", "cms"], ["new", "fourth", "--scopes", "read"]])
def test_a_file_that_others_can_read_or_that_is_broken_is_refused(
    file: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand(file, mode=0o644)
    assert main([*command, "--file", str(file)]) == 2
    assert f"chmod 600 {file}" in capsys.readouterr().err
    file.chmod(0o600)
    file.write_text("[cms")
    assert main([*command, "--file", str(file)]) == 2
    assert "Expected ']'" in capsys.readouterr().err
    assert file.read_text() == "[cms"


def test_a_folder_that_is_not_there_is_an_io_failure(tmp_path: Path) -> None:
    assert make(tmp_path / "absent" / "keys.toml", "cms") == 74


def test_keys_made_at_the_same_time_are_all_kept(file: Path) -> None:
    names = [f"key{n}" for n in range(8)]
    with ThreadPoolExecutor(8) as makers:
        assert list(makers.map(lambda name: make(file, name), names)) == [0] * 8
    assert set(read_keys(file).by_name) == set(names)

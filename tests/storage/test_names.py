from __future__ import annotations

from uuid import UUID

import pytest

from glia.kit.errors import InvalidRequest
from glia.storage.names import clean_name, name_in

WORKSPACE = UUID("018f0000-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("folder/report.pdf", "folder/report.pdf"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc//passwd", "etc/passwd"),
        ("C:\\Users\\me\\a.txt", "C_/Users/me/a.txt"),
        ("a\r\nSet-Cookie: x", "aSet-Cookie_ x"),
        ("  spaces .txt ", "spaces .txt"),
        ("gpj\u202etxt.exe", "gpjtxt.exe"),
        ("Grüße.txt", "Grüße.txt"),
        ("a/./b/../c", "a/b/c"),
        (f"{WORKSPACE}/a.txt", "a.txt"),
        ('<img src="x">', "_img src=_x__"),
        ("...", None),
        ("a?b#c%2e", "a_b_c_2e"),
    ],
)
def test_names_are_cleaned(given: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(InvalidRequest):
            clean_name(given, WORKSPACE)
    else:
        assert clean_name(given, WORKSPACE) == kept
        assert clean_name(kept, WORKSPACE) == kept


@pytest.mark.parametrize("given", ["", "/", "..", "../..", "\0", "x" * 256, "é" * 128, "/".join(["folder"] * 200)])
def test_what_names_no_file_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequest):
        clean_name(given, WORKSPACE)


def test_a_pathname_is_of_one_workspace() -> None:
    other = UUID("018f0000-0000-7000-8000-000000000002")

    assert name_in(f"{WORKSPACE}/a/b.txt", WORKSPACE) == "a/b.txt"
    assert name_in("a/b.txt", WORKSPACE) == "a/b.txt"
    assert name_in(f"{other}/a/b.txt", WORKSPACE) is None
    assert name_in(f"{WORKSPACE}/", WORKSPACE) is None
    assert name_in("", WORKSPACE) is None

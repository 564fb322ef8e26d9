"""Slugs are made of names in any script."""

from __future__ import annotations

import re

import pytest

from glia.kit.slugs import slug_of


@pytest.mark.parametrize(
    ("name", "slug"),
    [("  Hello,  World! ", "hello-world"), ("Café №2", "cafe-no2"), ("!!!", "agent"), ("x" * 200, "x" * 80)],
)
def test_latin_names_are_spelled(name: str, slug: str) -> None:
    assert slug_of(name, "agent") == slug


def test_names_in_other_scripts_are_told_apart() -> None:
    names = ["日本語", "東京", "Отчёт", "한국어", "日本 7", "東京 7", "ж" * 200, "a" * 200 + "ж"]

    slugs = [slug_of(name, "agent") for name in names]

    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,79}", slug) for slug in slugs)
    assert slug_of(" 日本語 ", "agent") == slugs[0]

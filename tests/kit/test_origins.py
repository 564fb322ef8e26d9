from __future__ import annotations

import pytest

from glia.kit.config import SettingsInvalid, load
from glia.kit.origins import AllowedOrigins
from glia.settings import Settings


def test_no_other_origin_is_allowed_unless_it_is_named() -> None:
    assert not AllowedOrigins.from_setting(Settings().allowed_origins)
    assert not AllowedOrigins.from_setting("https://app.example.com").allow("https://other.example.com")


@pytest.mark.parametrize(
    ("named", "sent"),
    [
        ("https://app.example.com", "https://app.example.com"),
        (" https://App.example.com/ ,", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://localhost:3000,http://localhost:80", "http://localhost"),
        ("http://[::1]:5173", "http://[::1]:5173"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("*", "https://anything.example"),
    ],
)
def test_an_origin_is_known_as_browsers_send_it(named: str, sent: str) -> None:
    assert AllowedOrigins.from_setting(named).allow(sent)


@pytest.mark.parametrize("text", ["app.example.com", "null", "https://app.example.com/path", "https://*.example.com"])
def test_a_setting_that_names_no_origin_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"no origin.*allowed_origins"):
        load(Settings, {"GLIA_ALLOWED_ORIGINS": text})

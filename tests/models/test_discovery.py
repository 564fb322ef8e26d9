from __future__ import annotations

import pytest

from glia.kit.errors import InvalidRequest
from glia.models.discovery import read_configuration


def names(**environment: str) -> list[str]:
    return [provider.name for provider in read_configuration(environment).providers]


def test_an_empty_environment_configures_nothing_and_looks_for_local_servers() -> None:
    configuration = read_configuration({})

    assert configuration.providers == ()
    assert [server.base_url for server in configuration.candidates] == [
        "http://127.0.0.1:11434/v1",
        "http://127.0.0.1:1234/v1",
    ]


def test_every_key_configures_its_provider_in_a_steady_order() -> None:
    keys = ("XAI", "TOGETHER", "OPENROUTER", "DEEPSEEK", "GROQ", "MISTRAL", "GEMINI", "ANTHROPIC", "OPENAI")

    found = names(**{f"{key}_API_KEY": "k" for key in keys}, OLLAMA_HOST="box", LM_STUDIO_HOST="http://box:9999")

    expected = "openai anthropic google mistral groq deepseek openrouter together xai ollama lmstudio"
    assert found == expected.split()


def test_an_address_without_a_key_is_a_server_that_wants_none() -> None:
    (provider,) = read_configuration({"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1/"}).providers

    assert (provider.base_url, provider.api_key, provider.default_model) == ("http://127.0.0.1:8000/v1", None, None)
    assert provider.is_local
    assert not provider.has_list_prices
    assert provider.auth_headers() == {}


def test_the_official_address_has_list_prices_and_a_default_model() -> None:
    (provider,) = read_configuration({"OPENAI_API_KEY": "k"}).providers

    assert provider.has_list_prices
    assert provider.default_model
    assert provider.output_limit_field == "max_completion_tokens"


@pytest.mark.parametrize("url", ["https://proxy.example", "https://proxy.example/v1", "https://proxy.example/v1/"])
def test_anthropics_address_may_leave_the_version_out(url: str) -> None:
    (provider,) = read_configuration({"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k"}).providers

    assert provider.base_url == "https://proxy.example/v1"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("box", "http://box:11434/v1"),
        ("box:99", "http://box:99/v1"),
        (":99", "http://127.0.0.1:99/v1"),
        ("http://box:99/", "http://box:99/v1"),
        ("https://box", "https://box/v1"),
        ("http://box:99/v1", "http://box:99/v1"),
        ("[::1]:99", "http://[::1]:99/v1"),
    ],
)
def test_a_local_host_is_read_as_its_own_tools_read_it(host: str, url: str) -> None:
    configuration = read_configuration({"OLLAMA_HOST": host})

    assert configuration.providers[0].base_url == url
    assert [server.name for server in configuration.candidates] == ["lmstudio"]


def test_keys_never_show_in_a_representation() -> None:
    configuration = read_configuration({"OPENAI_API_KEY": "sk-hidden", "ANTHROPIC_API_KEY": "hidden-too"})

    assert "hidden" not in repr(configuration)


def test_empty_variables_count_as_unset() -> None:
    assert names(OPENAI_API_KEY="  ", OPENAI_BASE_URL="") == []


def test_probing_can_be_turned_off() -> None:
    assert read_configuration({"GLIA_MODEL_DISCOVERY": "off"}).candidates == ()


@pytest.mark.parametrize("url", ["http://me:secret@box/v1", "https://box/v1?key=secret"])
def test_an_address_that_carries_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidRequest, match="OPENAI_BASE_URL") as caught:
        read_configuration({"OPENAI_BASE_URL": url})

    assert "secret" not in caught.value.message


def test_a_key_with_curly_quotes_is_refused_without_repeating_it() -> None:
    with pytest.raises(InvalidRequest, match="OPENAI_API_KEY") as caught:
        read_configuration({"OPENAI_API_KEY": "\u201csecret\u201d"})

    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OPENAI_BASE_URL", "localhost:8000"), ("OLLAMA_HOST", "ftp://box"), ("GLIA_MODEL_DISCOVERY", "no")],
)
def test_a_wrong_value_is_named_with_its_variable(variable: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{variable} is .*{value}"):
        read_configuration({variable: value})

"""Finds providers in the environment, by the variable names people already have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from glia.kit.errors import InvalidRequest
from glia.models.providers import Provider, ProviderKind


@dataclass(frozen=True)
class _Known:
    """A hosted provider: the variables it is configured by, and its public address."""

    name: str
    key_variables: tuple[str, ...]
    url_variable: str
    base_url: str
    default_model: str | None
    kind: ProviderKind = "openai"
    output_limit_field: str = "max_tokens"
    takes_stream_options: bool = True
    path: str = ""


# The order decides which provider answers when several are configured and no default is named.
_HOSTED = (
    _Known(
        "openai",
        ("OPENAI_API_KEY",),
        "OPENAI_BASE_URL",
        "https://api.openai.com/v1",
        "gpt-5-mini",
        output_limit_field="max_completion_tokens",
    ),
    _Known(
        "anthropic",
        ("ANTHROPIC_API_KEY",),
        "ANTHROPIC_BASE_URL",
        "https://api.anthropic.com/v1",
        "claude-sonnet-5",
        kind="anthropic",
        path="/v1",
    ),
    _Known(
        "google",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "GEMINI_BASE_URL",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "gemini-2.5-flash",
    ),
    _Known(
        "mistral",
        ("MISTRAL_API_KEY",),
        "MISTRAL_BASE_URL",
        "https://api.mistral.ai/v1",
        "mistral-small-latest",
        takes_stream_options=False,
    ),
    _Known("groq", ("GROQ_API_KEY",), "GROQ_BASE_URL", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile"),
    _Known("deepseek", ("DEEPSEEK_API_KEY",), "DEEPSEEK_BASE_URL", "https://api.deepseek.com/v1", "deepseek-v4-flash"),
    _Known(
        "openrouter", ("OPENROUTER_API_KEY",), "OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1", "openrouter/auto"
    ),
    _Known(
        "together",
        ("TOGETHER_API_KEY",),
        "TOGETHER_BASE_URL",
        "https://api.together.xyz/v1",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    ),
    _Known("xai", ("XAI_API_KEY",), "XAI_BASE_URL", "https://api.x.ai/v1", "grok-4.3"),
    _Known(
        "deepinfra",
        ("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"),
        "DEEPINFRA_BASE_URL",
        "https://api.deepinfra.com/v1/openai",
        "deepseek-ai/DeepSeek-V3.2",
    ),
    _Known(
        "atlascloud",
        ("ATLASCLOUD_API_KEY",),
        "ATLASCLOUD_BASE_URL",
        "https://api.atlascloud.ai/v1",
        "deepseek-ai/DeepSeek-V3.2",
    ),
)


@dataclass(frozen=True)
class _Local:
    """A model server people run on their own machine, at its usual port."""

    name: str
    host_variable: str
    port: int


_LOCAL = (_Local("ollama", "OLLAMA_HOST", 11434), _Local("lmstudio", "LM_STUDIO_HOST", 1234))


# Addresses a server binds to; they are none to call.
_WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104 - recognised, never bound


@dataclass(frozen=True)
class Configuration:
    """What the environment says about models.

    providers: configured on purpose, most wanted first.
    candidates: local servers to look for; empty when probing is off.
    """

    providers: tuple[Provider, ...] = ()
    candidates: tuple[Provider, ...] = ()
    default_model: str | None = None
    embedding_model: str | None = None
    prices_path: str | None = None


def read_configuration(environment: Mapping[str, str]) -> Configuration:
    """Reads providers, default model and price file from environment variables. Empty variables count as unset.

    Raises InvalidRequest when an address is not an http(s) URL or a switch has an unknown value.
    """
    settings = {name: value.strip() for name, value in environment.items() if value.strip()}
    hosted = [provider for known in _HOSTED if (provider := _hosted(known, settings))]
    configured = [provider for local in _LOCAL if (provider := _configured_local(local, settings))]
    names = {provider.name for provider in configured}
    candidates = [_local(local, f"http://127.0.0.1:{local.port}") for local in _LOCAL if local.name not in names]
    return Configuration(
        providers=(*hosted, *configured),
        candidates=tuple(candidates) if _is_probing(settings) else (),
        default_model=settings.get("GLIA_DEFAULT_MODEL"),
        embedding_model=settings.get("GLIA_EMBEDDING_MODEL"),
        prices_path=settings.get("GLIA_PRICES"),
    )


def _hosted(known: _Known, settings: Mapping[str, str]) -> Provider | None:
    key_variable = next((name for name in known.key_variables if name in settings), None)
    own_url = settings.get(known.url_variable)
    # An address of one's own without a key is a local server that wants none.
    if key_variable is None and own_url is None:
        return None
    base_url = _base_url(known, own_url)
    is_official = base_url == known.base_url
    return Provider(
        name=known.name,
        base_url=base_url,
        api_key=_key(key_variable, settings) if key_variable else None,
        kind=known.kind,
        default_model=known.default_model if is_official else None,
        is_local=_is_loopback(base_url),
        key_variable=key_variable or known.key_variables[0],
        url_variable=known.url_variable,
        has_list_prices=is_official,
        output_limit_field="max_completion_tokens"
        if is_official and known.output_limit_field == "max_completion_tokens"
        else "max_tokens",
        takes_stream_options=known.takes_stream_options or not is_official,
    )


def _key(variable: str, settings: Mapping[str, str]) -> str:
    key = settings[variable]
    if not (key.isascii() and key.isprintable()):
        raise InvalidRequest(f"{variable} has characters that no key has, perhaps curly quotes; copy the key again.")
    return key


def _base_url(known: _Known, own_url: str | None) -> str:
    if own_url is None:
        return known.base_url
    url = _checked_url(own_url, known.url_variable)
    # ANTHROPIC_BASE_URL is by custom the bare origin, OPENAI_BASE_URL by custom ends in /v1.
    return url if not known.path or url.endswith(known.path) else url + known.path


def _configured_local(local: _Local, settings: Mapping[str, str]) -> Provider | None:
    host = settings.get(local.host_variable)
    return _local(local, _local_origin(host, local)) if host else None


def _local(local: _Local, origin: str) -> Provider:
    return Provider(name=local.name, base_url=f"{origin}/v1", is_local=True, url_variable=local.host_variable)


def _local_origin(host: str, local: _Local) -> str:
    """Reads `host`, `host:port`, `:port` or a URL, as these servers' own tools do."""
    url = host if "://" in host else f"http://{'127.0.0.1' + host if host.startswith(':') else host}"
    parts = urlsplit(_checked_url(url, local.host_variable))
    name = "127.0.0.1" if parts.hostname in _WILDCARDS else parts.hostname or "127.0.0.1"
    name = f"[{name}]" if ":" in name else name
    port = parts.port or (local.port if "://" not in host else None)
    path = parts.path.removesuffix("/v1")
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{path}"


def _checked_url(url: str, variable: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_usable = urlsplit(""), False
    if not is_usable:
        raise InvalidRequest(
            f"{variable} is {url!r}, which is no http or https address, such as http://127.0.0.1:8000/v1."
        )
    if "@" in parts.netloc or parts.query:
        # Addresses are shown in errors and lists, so they must not carry secrets.
        raise InvalidRequest(
            f"{variable} carries a user, a password or a query; give the bare address and the key apart."
        )
    return url.rstrip("/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _is_probing(settings: Mapping[str, str]) -> bool:
    switch = settings.get("GLIA_MODEL_DISCOVERY", "on").lower()
    if switch not in {"on", "off"}:
        raise InvalidRequest(f"GLIA_MODEL_DISCOVERY is {switch!r}; write `on` or `off`.")
    return switch == "on"

"""The examples of docs/models.md do what the page says."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from glia.models.discovery import _HOSTED, read_configuration
from glia.models.prices import Price, read_prices

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", blocks("sh"))
def test_every_environment_on_the_page_is_understood(block: str) -> None:
    environment = dict(line.removeprefix("export ").split("=", 1) for line in block.splitlines())

    configuration = read_configuration(environment)

    assert set(environment) & {"GLIA_PRICES", "GLIA_MODEL_DISCOVERY"} or configuration.providers


def test_the_price_file_on_the_page_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(blocks("json")[0])

    prices = read_prices(str(path))

    own = prices.find("openai", "gpt-5-mini-2025-08-07", has_list_prices=False)
    assert own == Price(input=250_000, cached_input=25_000, output=2_000_000)
    assert prices.find("ollama", "any", has_list_prices=False) == Price(input=0, output=0)


def test_the_table_names_every_hosted_provider_with_its_default() -> None:
    for known in _HOSTED:
        assert re.search(rf"`{known.key_variables[0]}`.*\| `{known.name}` \| `{known.default_model}` \|", PAGE)


async def test_the_python_example_runs_as_written(server) -> None:
    server.says(
        {"choices": [{"delta": {"content": "It scatters."}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
    )
    program = blocks("python")[0].replace("http://127.0.0.1:8000/v1", server.url)

    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(60):
        output, _ = await process.communicate()

    assert output.decode() == "It scatters.\n3 tokens, None micros\n"

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from glia.kit.outbound import Outbound
from glia.tools.builtin import calculator, current_time
from glia.tools.errors import InvalidArguments
from glia.tools.functions import tool
from glia.tools.types import Effect, ToolContext, ToolResult


class Place(Struct, forbid_unknown_fields=True):
    city: str


class WeatherArguments(Struct, forbid_unknown_fields=True):
    place: Place
    days: Annotated[int, Meta(description="How many days.", ge=1, le=7)] = 1
    unit: Literal["C", "F"] = "C"


@tool(name="weather", effect=Effect.READ)
async def weather(context: ToolContext, arguments: WeatherArguments) -> str:
    """Tells the weather."""
    return f"{arguments.place.city} {arguments.days}{arguments.unit}"


class Loose(Struct):
    city: str


def test_the_schema_is_one_object_with_descriptions() -> None:
    assert weather.description == "Tells the weather."
    assert weather.schema["type"] == "object"
    assert weather.schema["required"] == ["place"]
    assert weather.schema["additionalProperties"] is False
    days = weather.schema["properties"]["days"]  # type: ignore[index]
    assert days["description"] == "How many days."
    assert set(weather.schema["$defs"]) == {"Place"}  # type: ignore[call-overload]


async def test_arguments_arrive_typed(context: ToolContext) -> None:
    assert await weather.call(context, '{"place": {"city": "Rome"}, "days": 2}') == ToolResult("Rome 2C")


@pytest.mark.parametrize(
    ("arguments", "field", "says"),
    [
        ('{"place": {"city": 3}}', "place.city", "expected `str`, got `int`"),
        ('{"place": {}}', "place.city", "is missing"),
        ("{}", "place", "is missing"),
        ("", "place", "is missing"),
        ('{"place": {"city": "Rome"}, "dayz": 1}', "dayz", "no property"),
        ('{"place": {"city": "Rome"}, "days": 99}', "days", "<= 7"),
        ('{"place": {"city": "Rome"}, "unit": "K"}', "unit", "invalid enum value"),
        ("{", None, "not valid JSON"),
        ("[]", None, "expected `object`"),
        ("[" * 100_000, None, ""),
        ('{"place": {"city": "\ud800"}}', None, "not valid JSON"),
    ],
)
async def test_bad_arguments_name_the_property_and_what_is_expected(
    context: ToolContext, arguments: str, field: str | None, says: str
) -> None:
    with pytest.raises(InvalidArguments) as error:
        await weather.call(context, arguments)
    assert error.value.field == field
    assert says in error.value.message
    assert "`place` (" in error.value.message


def test_a_struct_that_lets_unknown_fields_pass_makes_no_tool() -> None:
    async def loose(context: ToolContext, arguments: Loose) -> str:
        return ""

    with pytest.raises(TypeError, match="forbid"):
        tool(name="loose", effect=Effect.READ)(loose)


async def test_the_time_is_told_in_the_zone_asked_for(context: ToolContext) -> None:
    assert "(UTC)" in (await current_time.call(context, "{}")).text
    assert "+05:30" in (await current_time.call(context, '{"zone": "Asia/Kolkata"}')).text


@pytest.mark.parametrize("zone", ["Europe", "../../etc/passwd", "/etc/localtime", "Berlin", "x" * 64, "\\u0000"])
async def test_an_unknown_zone_is_refused_with_a_hint(context: ToolContext, zone: str) -> None:
    with pytest.raises(InvalidArguments, match="There is no time zone") as error:
        await current_time.call(context, f'{{"zone": "{zone}"}}')
    assert ("Europe/Berlin" in error.value.message) or zone not in {"Berlin"}


async def test_the_calculator_repeats_what_it_calculated(context: ToolContext) -> None:
    assert (await calculator.call(context, '{"expression": "17% of 2300"}')).text == "17% of 2300 = 391"


def test_built_in_tools_name_their_effect(outbound: Outbound) -> None:
    assert {calculator.effect, current_time.effect} == {Effect.READ}

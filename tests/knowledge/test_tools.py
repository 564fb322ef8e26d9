import json
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.ids import new_id
from glia.knowledge.citations import citations
from glia.knowledge.tools import MOST_CHARACTERS, knowledge_search
from glia.tools.types import Effect, ToolContext, ToolResult

from .conftest import House


def context(principal: Principal, *bases: UUID) -> ToolContext:
    return ToolContext(
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        agent_id=None,
        session_id=new_id(),
        run_id=new_id(),
        idempotency_key="k",
        knowledge_base_ids=bases,
    )


async def ask(house: House, *bases: UUID, **arguments: object) -> ToolResult:
    return await knowledge_search(house.knowledge).call(context(house.principal, *bases), json.dumps(arguments))


async def test_an_agent_gets_passages_it_can_cite(house: House) -> None:
    base = await house.base()
    document = await house.add(
        base, "# Fish\nTrout.\n\n# Birds\nThe tern flies far.\n\n# Last\nEnd.", name="animals.txt"
    )

    result = await ask(house, base.id, query="tern", limit=1)

    assert not result.is_error
    (passage,) = json.loads(result.text)["results"]
    uri = f"kb://{base.id}/{document.id}#1"
    assert passage == {
        "uri": uri,
        "document": "animals.txt",
        "page": 2,
        "heading": "Birds",
        "text": "Trout.\nThe tern flies far.\nEnd.",
    }
    assert (result.sources[0].uri, result.sources[0].text) == (uri, "The tern flies far.")
    (citation,) = citations(f"Terns fly far. [{uri}]", result.sources)
    assert citation.quote == "The tern flies far."


async def test_a_long_result_fits_and_repeats_nothing(house: House) -> None:
    base = await house.base()
    words = [f"Tern {number} " + "flies over the water. " * 36 for number in range(30)]
    await house.add(base, "\n\n".join(words))

    result = await ask(house, base.id, query="tern", limit=20)

    results = json.loads(result.text)["results"]
    assert sum(len(passage["text"]) for passage in results) <= MOST_CHARACTERS
    assert len(results) == len(result.sources) >= 5
    assert len({passage["uri"] for passage in results}) == len(results)


async def test_nothing_found_says_what_to_try(wordy_house: House) -> None:
    base = await wordy_house.base()
    await wordy_house.add(base, "The tern flies far.")

    result = await ask(wordy_house, base.id, query="quarterly revenue")

    assert not result.is_error
    assert result.sources == ()
    assert "Try other words" in result.text


async def test_wrong_arguments_are_explained_to_the_model(house: House) -> None:
    tool = knowledge_search(house.knowledge)
    base = await house.base()

    for arguments in ("", "{", "[]", "{}", '{"query": 5}', '{"query": ""}', '{"query": "x", "limit": 0}', '{"q": "x"}'):
        result = await tool.call(context(house.principal, base.id), arguments)
        assert result.is_error, arguments
        assert "query" in result.text


async def test_bases_that_are_gone_or_foreign_are_skipped(house: House, stranger: Principal) -> None:
    base, foreign = await house.base(), await house.base(principal=stranger)
    await house.add(base, "The tern flies far.")
    await house.add(foreign, "The stranger's tern.", principal=stranger)

    result = await ask(house, base.id, foreign.id, new_id(), query="tern")

    assert [passage["text"] for passage in json.loads(result.text)["results"]] == ["The tern flies far."]
    assert "no knowledge base" in (await ask(house, query="tern")).text


async def test_the_description_tells_how_to_cite(house: House) -> None:
    tool = knowledge_search(house.knowledge)

    assert tool.effect is Effect.READ
    assert "[kb://" in tool.description

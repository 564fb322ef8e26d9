import json
from dataclasses import replace
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.ids import new_id
from glia.knowledge.citations import citations
from glia.knowledge.tools import MOST_CHARACTERS, knowledge_search, widened
from glia.knowledge.types import Chunk, DocumentId, Hit, KnowledgeBaseId, Scores
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
        "text": "The tern flies far.",
    }
    assert (result.sources[0].uri, result.sources[0].text) == (uri, "The tern flies far.")
    (citation,) = citations(f"Terns fly far. [{uri}]", result.sources)
    assert citation.quote == "The tern flies far."


def passage(ordinal: int, page: int | None, heading: str = "") -> Chunk:
    text = f"Passage {ordinal}."
    return Chunk(KnowledgeBaseId(UUID(int=1)), DocumentId(UUID(int=2)), ordinal, page, page, heading, 0, 9, text)


def test_a_passage_is_widened_only_by_text_that_its_citation_names() -> None:
    def shown(hit: Chunk, *around: Chunk) -> str:
        return widened([Hit(chunk=hit, document_name="a.pdf", scores=Scores(1.0, None, None))], around)[0]

    assert shown(passage(1, 4), passage(0, 4), passage(2, 4)) == "Passage 0.\nPassage 1.\nPassage 2."
    assert shown(passage(1, 4), passage(0, 3), passage(2, 5)) == "Passage 1."
    assert shown(passage(1, None, "A"), passage(0, None, "A"), passage(2, None, "B")) == "Passage 0.\nPassage 1."


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


async def test_an_agent_searches_the_folder_the_documents_and_the_bases_it_was_given(
    house: House, stranger: Principal
) -> None:
    base, whole = await house.base(), await house.base("Whole")
    eu = await house.add(base, "A blue tern.", name="eu.txt")
    deep = await house.add(base, "A deep tern.", name="deep.txt")
    us = await house.add(base, "A green tern.", name="us.txt")
    misc = await house.add(base, "A golden tern.", name="misc.txt")
    await house.add(whole, "A white tern.", name="whole.txt")
    for document, path in ((eu, "policies/eu"), (deep, "policies/eu/old"), (us, "policies/europe")):
        await house.knowledge.update_document(house.principal, base.id, document.id, path=path)
    plain = context(house.principal)

    async def found(scope: ToolContext) -> set[str]:
        result = await knowledge_search(house.knowledge).call(scope, json.dumps({"query": "tern", "limit": 9}))
        return {one["document"] for one in json.loads(result.text)["results"]} if result.sources else set()

    assert await found(replace(plain, knowledge_path="policies/eu")) == {"eu.txt", "deep.txt"}
    assert await found(replace(plain, knowledge_document_ids=(misc.id,))) == {"misc.txt"}
    assert await found(
        replace(
            plain,
            knowledge_path="policies/eu",
            knowledge_document_ids=(misc.id,),
            knowledge_base_ids=(whole.id,),
        )
    ) == {"eu.txt", "deep.txt", "misc.txt", "whole.txt"}
    assert await found(replace(plain, knowledge_path="")) == {"eu.txt", "deep.txt", "us.txt", "misc.txt", "whole.txt"}
    assert await found(replace(plain, knowledge_path="policies", knowledge_project_id=new_id())) == set()
    assert await found(replace(context(stranger), knowledge_document_ids=(misc.id,))) == set()

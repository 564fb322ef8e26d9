from glia.knowledge.citations import LONGEST_QUOTE, citations, read_citations
from glia.tools.types import Source

URI = "kb://0192f0c1-0000-7000-8000-000000000001/0192f0c1-0000-7000-8000-000000000002#"


def source(chunk: int, text: str, page: int | None = None) -> Source:
    return Source(f"{URI}{chunk}", "0192f0c1-0000-7000-8000-000000000002", "guide.pdf", chunk, page, "Warranty", text)


GUIDE = source(
    7,
    "This chapter is about guarantees. The warranty lasts two years from the day of purchase. Keep the receipt.",
    page=12,
)
RETURNS = source(9, "Goods may be sent back within 30 days.\nPostage is paid by us.")


def test_a_mark_becomes_a_citation_with_the_sentence_it_rests_on() -> None:
    (found,) = citations(f"Your warranty lasts for two years. [{URI}7]", [GUIDE, RETURNS])

    assert (found.uri, found.document_name, found.chunk, found.page) == (GUIDE.uri, "guide.pdf", 7, 12)
    assert found.quote == "The warranty lasts two years from the day of purchase."


def test_an_invented_mark_is_dropped_and_counted() -> None:
    text = f"One. [{URI}7] Two. [{URI}8] Three. [kb://made-up/thing#1]"

    found, unknown = read_citations(text, [GUIDE])

    assert [citation.chunk for citation in found] == [7]
    assert unknown == 2


def test_marks_are_read_however_a_model_brackets_them() -> None:
    for text in (
        f"A [{URI}7, {URI}9].",
        f"A ({URI}7) and B ({URI}9)",
        f"A 【{URI}7】【{URI}9】",
        f"A [guide]({URI}7). B `{URI}9`.",
        f"A <{URI}7>; {URI}9",
        f"A {URI.upper().replace('KB:', 'kb:')}7. {URI}9.",
    ):
        assert [citation.chunk for citation in citations(text, [RETURNS, GUIDE])] == [7, 9], text


def test_a_passage_is_cited_once_in_the_order_of_first_mention() -> None:
    text = f"Back within 30 days [{URI}9]. Two years [{URI}7]. Again 30 days [{URI}9]."

    assert [citation.chunk for citation in citations(text, [GUIDE, RETURNS])] == [9, 7]


def test_the_claim_is_the_sentence_before_the_mark_and_not_the_whole_answer() -> None:
    text = f"The warranty lasts two years. [{URI}7] Who pays the postage? You do not pay postage. [{URI}9]"

    quotes = [citation.quote for citation in citations(text, [GUIDE, RETURNS])]

    assert quotes[1] == "Goods may be sent back within 30 days. Postage is paid by us." or quotes[1].startswith("Post")


def test_without_a_likeness_the_first_sentence_is_quoted() -> None:
    (found,) = citations(f"[{URI}7]", [GUIDE])

    assert found.quote == "This chapter is about guarantees."


def test_a_quote_has_an_end() -> None:
    (found,) = citations(f"Words. [{URI}1]", [source(1, "words " * 500)])

    assert len(found.quote) <= LONGEST_QUOTE
    assert found.quote.endswith("…")


def test_an_answer_without_marks_or_sources_cites_nothing() -> None:
    assert citations("Nothing to see.", [GUIDE]) == []
    assert read_citations(f"Odd [{URI}7]", []) == ([], 1)
    assert citations("", []) == []


WEB = [
    Source(url, "", title, 0, None, "", f"{title} is a town. It has {n} wells.")
    for n, (url, title) in enumerate(
        [("https://towns.example/a", "A"), ("https://towns.example/a/b?c=1", "B"), ("https://towns.example/", "All")]
    )
]


def test_pages_are_cited_by_their_addresses_in_the_order_of_the_text() -> None:
    text = (
        "B has 1 well ([B](https://towns.example/a/b?c=1)). A too [https://towns.example/a]. See https://towns.example."
    )

    found, unknown = read_citations(text, WEB)

    assert [citation.uri for citation in found] == [WEB[1].uri, WEB[0].uri, WEB[2].uri]
    assert found[0].quote == "It has 1 wells."
    assert unknown == 0


def test_a_page_that_was_not_found_is_no_citation_and_not_an_invented_one() -> None:
    assert read_citations("See https://towns.example/a/c and https://other.example.", WEB) == ([], 0)


def test_pages_and_passages_are_cited_together() -> None:
    text = f"Wells: https://towns.example/a. Two years [{URI}7]."

    assert [citation.uri for citation in citations(text, [GUIDE, *WEB])] == [WEB[0].uri, GUIDE.uri]

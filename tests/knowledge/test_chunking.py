"""Passages: what they hold, where they end, and that their offsets are exact."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.knowledge.chunking import ChunkText, chunk
from glia.knowledge.parsing.types import Block, BlockKind, Format, Page, ParsedDocument


def document(*pages: list[Block], numbered: bool = False) -> ParsedDocument:
    made = tuple(Page(number if numbered else None, tuple(page)) for number, page in enumerate(pages, start=1))
    return ParsedDocument("Title", made, Format.PDF if numbered else Format.MARKDOWN)


def paragraph(text: str) -> Block:
    return Block("paragraph", text)


def heading(text: str, level: int = 1) -> Block:
    return Block("heading", text, level)


words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
texts = st.lists(
    st.one_of(words, st.sampled_from([". ", "! ", "\n", " ", "。", "漢字", "e\u0301", "?” ", "x" * 90, "ไทย", "😀"])),
    min_size=1,
    max_size=30,
).map(lambda parts: "".join(parts).strip() or "word")
kinds: st.SearchStrategy[BlockKind] = st.sampled_from(["heading", "paragraph", "list_item", "row", "code"])
any_block = st.builds(
    lambda kind, text, level: Block(kind, text, level if kind == "heading" else 0), kinds, texts, st.integers(1, 6)
)
any_document = st.lists(st.lists(any_block, max_size=6), min_size=1, max_size=4).map(
    lambda pages: document(*pages, numbered=True)
)


@settings(max_examples=80, deadline=None)
@given(any_document, st.sampled_from([20, 60, 200]))
def test_passages_cover_the_text_with_exact_offsets_and_keep_their_size(source: ParsedDocument, target: int) -> None:
    text = source.text

    chunks = chunk(source, target_characters=target)

    position = 0
    for ordinal, piece in enumerate(chunks):
        assert piece.ordinal == ordinal
        assert piece.text == text[piece.start_character : piece.end_character]
        assert 0 < len(piece.text) <= target
        assert piece.start_character >= position
        assert not text[position : piece.start_character].strip()
        position = piece.end_character
    assert not text[position:].strip()
    assert chunks == chunk(source, target_characters=target)


@settings(max_examples=60, deadline=None)
@given(any_document)
def test_a_passage_stays_on_its_page_unless_a_sentence_goes_on(source: ParsedDocument) -> None:
    starts: list[tuple[int, int]] = []
    position = 0
    for page in source.pages:
        for block in page.blocks:
            position = source.text.index(block.text, position)
            starts.append((position, page.number or 0))
            position += len(block.text)

    for piece in chunk(source, target_characters=100):
        inside = [page for start, page in starts if start <= piece.start_character]
        assert piece.page == inside[-1]
        assert piece.last_page is not None
        assert piece.page is not None
        if piece.last_page > piece.page:
            (second,) = [start for start, page in starts if page == piece.last_page][:1]
            assert source.text[second].islower()


def test_sections_do_not_share_a_passage_and_carry_their_path() -> None:
    source = document(
        [
            heading("Guide"),
            heading("Install", 2),
            paragraph("Run it."),
            heading("Use", 2),
            paragraph("Ask."),
            heading("End"),
        ]
    )

    assert [(piece.heading, piece.text) for piece in chunk(source)] == [
        ("Guide > Install", "Guide\n\nInstall\n\nRun it."),
        ("Guide > Use", "Use\n\nAsk."),
        ("End", "End"),
    ]


def test_sentences_and_words_stay_whole() -> None:
    sentences = [f"This is sentence number {number}, and Dr. e.g. v1.5 stays." for number in range(60)]
    source = document([paragraph(" ".join(sentences))])

    chunks = chunk(source, target_characters=200)

    assert all(piece.text.startswith("This is") and piece.text.endswith("stays.") for piece in chunks)


def test_a_sentence_too_long_is_cut_between_words_and_a_word_too_long_inside() -> None:
    source = document([paragraph("alpha beta " * 40), paragraph("x" * 250)])

    chunks = chunk(source, target_characters=100)

    assert {word for piece in chunks[:-3] for word in piece.text.split()} == {"alpha", "beta"}
    assert [len(piece.text) for piece in chunks[-3:]] == [100, 100, 50]


def test_rows_of_a_table_stay_whole() -> None:
    rows = [Block("row", f"{number} | some cell. Another one | last") for number in range(40)]

    for piece in chunk(document(rows), target_characters=150):
        assert all(line.endswith("| last") and line[0].isdigit() for line in piece.text.splitlines())


def test_chinese_is_cut_at_its_full_stops_and_into_shorter_passages() -> None:
    source = document([paragraph("这是一个关于河流的句子，它不长。" * 100)])

    chunks = chunk(source, target_characters=300)

    assert all(piece.text.endswith("。") and len(piece.text) <= 100 for piece in chunks)


def test_a_cut_never_parts_a_letter_from_its_accent() -> None:
    for piece in chunk(document([paragraph("e\u0301" * 500)]), target_characters=75):
        assert piece.text.startswith("e")


def test_a_sentence_that_goes_on_overleaf_is_one_passage_of_the_page_where_it_starts() -> None:
    source = document(
        [paragraph("First page ends. The river is")],
        [paragraph("long and wide. Second page goes on. ")],
        [paragraph("Third page.")],
        numbered=True,
    )

    assert [(piece.page, piece.last_page, " ".join(piece.text.split())) for piece in chunk(source)] == [
        (1, 2, "First page ends. The river is long and wide."),
        (2, 2, "Second page goes on."),
        (3, 3, "Third page."),
    ]


def test_a_section_slightly_too_long_becomes_even_parts() -> None:
    sizes = [len(piece.text) for piece in chunk(document([paragraph("Twenty characters ok. " * 42)]))]

    assert len(sizes) == 2
    assert min(sizes) > 250


@pytest.mark.parametrize("text", ["", "   "])
def test_a_document_without_text_has_no_passages(text: str) -> None:
    assert chunk(document([paragraph(text)])) == []


@pytest.mark.parametrize(
    "text",
    [
        "A sentence of normal length, with a comma. " * 25_000,
        "x" * 1_000_000,
        "." * 1_000_000,
        ("a" + " " * 999) * 1000,
    ],
    ids=["prose", "one word", "full stops", "gaps"],
)
def test_time_grows_with_the_length_and_not_its_square(text: str) -> None:
    started = time.process_time()
    chunks: list[ChunkText] = chunk(document([paragraph(text.strip())]))

    assert chunks
    assert time.process_time() - started < 5

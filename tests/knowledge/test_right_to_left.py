"""Arabic and Hebrew: read in the order of speech, found in any spelling of their vowels, quoted as they are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import docx
import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.knowledge.citations import citations
from glia.knowledge.reading import Reader
from glia.knowledge.tools import knowledge_search
from glia.tools.types import ToolContext

from .conftest import House
from .pdfs import right_to_left

ARABIC = (
    "مدة الضمان سنتان من تاريخ الشراء. يجب الاحتفاظ بالفاتورة في مكان آمن.",
    "يغلق المسبح أبوابه في الساعة التاسعة مساء كل يوم ما عدا يوم الجمعة.",
    "تُدفع مصاريف السفر خلال ثلاثين يوما من نهاية الرحلة إلى الخارج.",
)
HEBREW = (
    "האחריות נמשכת שנתיים מיום הקנייה. יש לשמור על הקבלה במקום בטוח.",
    "הבריכה נסגרת בשעה תשע בערב בכל יום חוץ מיום שישי.",
    "הוצאות הנסיעה משולמות תוך שלושים יום מסיום הנסיעה.",
)


@pytest.fixture
def house(db: Database, principal: Principal, tmp_path: Path) -> House:
    house = House(db, tmp_path, principal, None)
    house.ingest = replace(house.ingest, read=Reader())
    return house


async def add(house: House, path: Path):
    base = await house.knowledge.create(house.principal, path.name)
    document = await house.knowledge.add(house.principal, base.id, path, name=path.name, media_type="text/plain")
    await house.work()
    return base, await house.knowledge.document(house.principal, base.id, document.id)


@pytest.mark.parametrize(
    ("paragraphs", "config", "question", "index"),
    [
        (ARABIC, "arabic", "كم هي مدة الضمان؟", 0),
        (ARABIC, "arabic", "متى تدفع مصاريف السفر؟", 2),  # without the vowel sign that the text has
        (HEBREW, "simple", "מתי נסגרת הבריכה?", 1),
        (HEBREW, "simple", "הוֹצָאוֹת הנסיעה", 2),  # with points that the text leaves away
    ],
)
async def test_a_document_is_found_and_quoted_letter_by_letter(
    house: House, tmp_path: Path, paragraphs: tuple[str, ...], config: str, question: str, index: int
) -> None:
    made = docx.Document()
    for number, paragraph in enumerate(paragraphs):
        made.add_heading(f"{number + 1}", 1)
        made.add_paragraph(f"\u200f{paragraph}\u202c")
    made.save(str(tmp_path / "guide.docx"))

    base, document = await add(house, tmp_path / "guide.docx")
    hits = await house.knowledge.search(house.principal, [base.id], question)

    assert document.text_config == config
    assert paragraphs[index] in hits[0].chunk.text


async def test_an_answer_quotes_the_sentence_it_rests_on(house: House, tmp_path: Path) -> None:
    (tmp_path / "guide.txt").write_text("\n\n".join(ARABIC))
    base, _ = await add(house, tmp_path / "guide.txt")
    principal = house.principal
    context = ToolContext(
        principal.workspace_id, principal.project_id, None, base.id, base.id, "k", knowledge_base_ids=(base.id,)
    )

    result = await knowledge_search(house.knowledge).call(context, '{"query": "مدة الضمان"}')
    (citation,) = citations(f"مدة الضمان سنتان. [{result.sources[0].uri}]", result.sources)

    assert citation.quote == "مدة الضمان سنتان من تاريخ الشراء."


async def test_a_pdf_is_read_in_the_order_of_speech(house: House, tmp_path: Path) -> None:
    lines = ["האחריות נמשכת שנתיים", "יש לשמור על הקבלה"]
    right_to_left(tmp_path / "guide.pdf", lines)

    base, document = await add(house, tmp_path / "guide.pdf")
    (hit, *_) = await house.knowledge.search(house.principal, [base.id], "אחריות האחריות")

    assert (document.pages, hit.chunk.page) == (1, 1)
    assert hit.chunk.text == "\n".join(lines)


async def test_arabic_letters_in_the_shapes_of_old_pdfs_are_found_by_plain_ones(house: House, tmp_path: Path) -> None:
    shaped = "\ufee3\ufeaa\ufe93 \ufe8d\ufedf\ufec0\ufee4\ufe8e\ufee5"  # the words of the question, each letter shaped
    (tmp_path / "old.txt").write_text(f"{shaped} 2")

    base, _ = await add(house, tmp_path / "old.txt")

    (hit,) = await house.knowledge.search(house.principal, [base.id], "مدة الضمان")
    assert hit.chunk.text == "مدة الضمان 2"

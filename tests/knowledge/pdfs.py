"""PDFs written by hand: what no library that makes PDFs would make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write(path: Path, objects: Sequence[str]) -> Path:
    """objects: from 1 on, the first is the catalog. Without a table of references: readers look for the objects."""
    body = "".join(f"{number} 0 obj\n{content}\nendobj\n" for number, content in enumerate(objects, 1))
    path.write_text(f"%PDF-1.7\n{body}trailer<</Root 1 0 R>>\n%%EOF")
    return path


def stream(content: str) -> str:
    return f"<</Length {len(content)}>>stream\n{content}\nendstream"


def with_claimed_pages(path: Path, pages: int) -> Path:
    """Claims so many pages and has one."""
    tree = f"<</Type/Pages/Kids[3 0 R]/Count {pages}>>"
    return write(path, ["<</Type/Catalog/Pages 2 0 R>>", tree, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"])


def with_repeated_pages(path: Path, levels: int, fan: int) -> Path:
    """Really has fan ** levels pages in a few kilobytes: each node of its tree names the one below it `fan` times."""
    objects = ["<</Type/Catalog/Pages 2 0 R>>"]
    for level in range(levels):
        kids = " ".join([f"{level + 3} 0 R"] * fan)
        objects.append(f"<</Type/Pages/Kids[{kids}]/Count {fan ** (levels - level)}>>")
    objects.append(f"<</Type/Page/Parent {levels + 1} 0 R/MediaBox[0 0 9 9]>>")
    return write(path, objects)


def right_to_left(path: Path, lines: Sequence[str]) -> Path:
    """Letters as such files hold them: one glyph after the other from the left, so the words stand backwards."""
    letters = sorted({letter for line in lines for letter in line} - {" "})
    codes = {letter: 0x41 + number for number, letter in enumerate(letters)} | {" ": 0x20}
    meant = "".join(f"<{code:02X}><{ord(letter):04X}>\n" for letter, code in codes.items())
    unicode = (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /X def\n/CMapType 2 def\n"
        f"1 begincodespacerange\n<00><ff>\nendcodespacerange\n{len(codes)} beginbfchar\n{meant}endbfchar\nendcmap\n"
        "CMapName currentdict /CMap defineresource pop\nend\nend"
    )
    drawn = "".join(
        f"1 0 0 1 50 {700 - 20 * row} Tm <{''.join(f'{codes[letter]:02X}' for letter in reversed(line))}> Tj "
        for row, line in enumerate(lines)
    )
    page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R/Resources<</Font<</F1 4 0 R>>>>>>"
    font = "<</Type/Font/Subtype/Type1/BaseFont/Courier/ToUnicode 6 0 R>>"
    tree = "<</Type/Pages/Kids[3 0 R]/Count 1>>"
    catalog = "<</Type/Catalog/Pages 2 0 R>>"
    return write(path, [catalog, tree, page, font, stream(f"BT /F1 12 Tf {drawn}ET"), stream(unicode)])

"""CSV and TSV to rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from glia.knowledge.parsing.errors import DocumentCorrupt
from glia.knowledge.parsing.rows import RowBudget, row_blocks
from glia.knowledge.parsing.text import decode
from glia.knowledge.parsing.types import Block, ParseLimits

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 20
_LARGEST_FIELD = 1_000_000


def read_csv(data: bytes, *, file_name: str, limits: ParseLimits) -> list[Block]:
    text = decode(data, file_name=file_name).replace("\0", "")
    csv.field_size_limit(_LARGEST_FIELD)

    def rows() -> Iterator[Sequence[str]]:
        try:
            yield from csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), skipinitialspace=True)
        except csv.Error as error:
            raise DocumentCorrupt(f"{file_name!r} is no table that can be read ({error}). Save it again.") from error

    return list(row_blocks(rows(), RowBudget(file_name, limits)))


def _delimiter(text: str) -> str:
    """The one that cuts the first lines into the same number of cells, as many as possible."""
    lines = [line for line in text[:65_536].splitlines()[:_SAMPLE_LINES] if line.strip()]

    def worth(delimiter: str) -> tuple[int, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        usual = max(set(counts), key=counts.count) if counts else 1
        return (counts.count(usual) if usual > 1 else 0, usual)

    return max(_DELIMITERS, key=worth)

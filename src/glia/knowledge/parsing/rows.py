"""Table rows as text: each cell with its column's name, so that a passage with rows alone still says what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from glia.knowledge.parsing.errors import DocumentLimit
from glia.knowledge.parsing.text import clean
from glia.knowledge.parsing.types import Block, ParseLimits

_LONGEST_NAME = 60
_CELL_CHARACTERS = 32_767


class RowBudget:
    """Counts what the rows of one file give, and stops it at the limits instead of at its end."""

    def __init__(self, file_name: str, limits: ParseLimits) -> None:
        self._file_name, self._limits = file_name, limits
        self._rows = self._characters = 0

    def count(self, cells: Sequence[str]) -> None:
        self._rows += 1
        self._characters += sum(map(len, cells))
        if self._rows > self._limits.blocks or self._characters > self._limits.output_bytes:
            raise DocumentLimit(
                f"{self._file_name!r} has more than {self._limits.blocks:,} rows or {self._limits.output_bytes:,}"
                " characters. Split it."
            )


def row_blocks(rows: Iterator[Sequence[str]], budget: RowBudget) -> Iterator[Block]:
    """One block a row: `Name: Ada | Age: 36` under a row of column names, `Ada | 36` without one."""
    names: Sequence[str] | None = None
    is_first = True
    for raw in rows:
        budget.count(raw)
        cells = [clean(" ".join(cell[:_CELL_CHARACTERS].split())) for cell in raw]
        if not any(cells):
            continue
        if is_first:
            is_first = False
            if _are_names(cells):
                names = cells
                yield Block("row", " | ".join(cell for cell in cells if cell))
                continue
        yield Block("row", _row(cells, names))


def _row(cells: Sequence[str], names: Sequence[str] | None) -> str:
    if names is None:
        return " | ".join(cells)
    padded = [*names, *([""] * max(0, len(cells) - len(names)))]
    return " | ".join(f"{name}: {cell}" if name else cell for name, cell in zip(padded, cells, strict=False) if cell)


def _are_names(cells: Sequence[str]) -> bool:
    """Column names are short, all different, and no numbers."""
    filled = [cell for cell in cells if cell]
    if len(filled) < 2 or len(set(filled)) < len(filled):
        return False
    return all(len(cell) <= _LONGEST_NAME and any(letter.isalpha() for letter in cell) for cell in filled)

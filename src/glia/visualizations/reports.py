"""A report of sections, as Markdown or as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}"
    "svg{max-width:100%;height:auto}"
)


@dataclass(frozen=True)
class Section:
    """text: paragraphs, an empty line between two. table: rows of cells, the first of them the heads. chart: as SVG."""

    heading: str
    text: str = ""
    table: Sequence[Sequence[str]] = ()
    chart: str = ""


def markdown(title: str, sections: Sequence[Section]) -> str:
    parts = [f"# {title}"]
    for section in sections:
        parts += [f"## {section.heading}"] if section.heading else []
        parts += [section.text.strip()] if section.text.strip() else []
        if section.table:
            head, *rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in section.table]
            lines = [head, ["---"] * len(head), *rows]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
        parts += [section.chart] if section.chart else []
    return "\n\n".join(parts) + "\n"


def html(title: str, sections: Sequence[Section]) -> str:
    """All words are escaped: a report shows text and runs nothing."""
    body = [f"<h1>{escape(title)}</h1>"]
    for section in sections:
        body += [f"<h2>{escape(section.heading)}</h2>"] if section.heading else []
        body += [f"<p>{escape(each).replace(chr(10), '<br>')}</p>" for each in _paragraphs(section.text)]
        body += [_table(section.table)] if section.table else []
        body += [section.chart] if section.chart else []
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{chr(10).join(body)}\n</body></html>\n'


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rest]
    return f"<table>{''.join(lines)}</table>"

"""What a PDF of 1,000 pages costs a running server: its memory, and how promptly it answers others meanwhile.

    python bench/large_pdf.py --pages 1000 --csv bench/results/large_pdf.csv

Starts `glia serve` with its embedded database on one core, uploads a PDF of real sentences (about 2,500 characters a
page), and asks /health and a search of another base five times a second until the document is ready, vectors included.
`rss` is the server process alone; the child that reads the file and PostgreSQL are counted apart.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil

from serving import Glia, glia

_COLUMNS = (
    "pages",
    "chunks",
    "found_by_words_s",
    "ready_s",
    "peak_rss_mb",
    "rss_before_mb",
    "reader_peak_mb",
    "health_p50_ms",
    "health_p99_ms",
    "search_p50_ms",
    "search_p99_ms",
)
_SUBJECTS = ("pump", "valve", "boiler", "turbine", "filter", "sensor", "cable", "relay", "motor", "gearbox")
_RULES = (
    "The {0} in hall {1} is inspected every {2} days by two people who write down what they have seen.",
    "Its bearings are greased with {3} grams of grease number {4}, never more, and never while the {0} is running.",
    "A worn seal is replaced before the pressure falls under {4} bar, and the old one goes to the store for a year.",
    "Repairs of the {0} are written down in logbook {1}, with the name of who did them and how long they took.",
    "When the temperature rises above {2} degrees the {0} is stopped by hand, and hall {1} is left by the north door.",
    "Spare parts lie in shelf {4} of the store; who takes one signs for it and orders another on the same day.",
)


def make(path: Path, pages: int) -> None:
    from fpdf import FPDF

    pdf = FPDF()
    for page in range(1, pages + 1):
        pdf.add_page()
        subject = _SUBJECTS[page % len(_SUBJECTS)]
        pdf.set_font("Helvetica", size=16)
        pdf.cell(text=f"Chapter {page}. The {subject} in hall {page}", new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("Helvetica", size=10)
        for part in range(4):
            words = " ".join(rule.format(subject, page, page % 40 + part, part + 3, page % 9 + 1) for rule in _RULES)
            pdf.multi_cell(0, 5, words)
            pdf.ln(4)
    pdf.output(str(path))


def get(server: Glia, path: str) -> dict[str, object]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}", headers={"Authorization": f"Bearer {server.key}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def upload(server: Glia, base: str, name: str, content: bytes) -> str:
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/v1/knowledge-bases/{base}/documents",
        data=head.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
        headers={
            "Authorization": f"Bearer {server.key}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["id"]


def timed_ms(call: Callable[..., object], *arguments: object) -> float:
    begun = time.perf_counter()
    call(*arguments)
    return (time.perf_counter() - begun) * 1000


def reader_rss(server: Glia) -> int:
    """Of the processes below the server that read documents."""
    found = 0
    for child in psutil.Process(server.pid).children(recursive=True):
        try:
            if "glia.knowledge.parsing.child" in child.cmdline():
                found += child.memory_info().rss
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def at(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 1)


def measure(server: Glia, pages: int, folder: Path) -> dict[str, object]:
    make(folder / "large.pdf", pages)
    other = str(server.post("/v1/knowledge-bases", {"name": "Other"})["id"])
    small = upload(server, other, "small.txt", b"The warranty of the toaster lasts two years.")
    while get(server, f"/v1/knowledge-bases/{other}/documents/{small}")["status"] == "processing":
        time.sleep(0.1)
    base = str(server.post("/v1/knowledge-bases", {"name": "Large"})["id"])
    process = psutil.Process(server.pid)
    before = peak = process.memory_info().rss
    reader = 0
    health: list[float] = []
    searches: list[float] = []
    begun, found_at = time.perf_counter(), 0.0
    id = upload(server, base, "large.pdf", (folder / "large.pdf").read_bytes())
    while True:
        health.append(timed_ms(get, server, "/health"))
        question = {"query": "How long is the warranty?", "limit": 3}
        searches.append(timed_ms(server.post, f"/v1/knowledge-bases/{other}/search", question))
        document = get(server, f"/v1/knowledge-bases/{base}/documents/{id}")
        peak = max(peak, process.memory_info().rss)
        reader = max(reader, reader_rss(server))
        progress = document["progress"]
        if not found_at and isinstance(progress, dict) and progress["phase"] in ("embedding", "done"):
            found_at = time.perf_counter() - begun
        if document["status"] != "processing":
            break
        time.sleep(0.2)
    if document["status"] != "ready":
        raise SystemExit(f"The document failed: {document['error']}")
    times = (at(health, 0.5), at(health, 0.99), at(searches, 0.5), at(searches, 0.99))
    seconds = round(found_at, 1), round(time.perf_counter() - begun, 1)
    memory = round(peak / 1e6), round(before / 1e6), round(reader / 1e6)
    return dict(zip(_COLUMNS, (pages, document["chunks"], *seconds, *memory, *times), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--core", type=int, default=0, help="the core that the server and its database run on")
    parser.add_argument("--csv", type=Path, help="where to write the results")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="glia-bench-") as folder,
        glia(options.core, Path(folder), "http://127.0.0.1:9/v1") as server,
    ):
        measured = measure(server, options.pages, Path(folder))
    print(*(f"{name}={value}" for name, value in measured.items()))
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            file.write(f"# python bench/large_pdf.py --pages {options.pages} --csv OUT\n")
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerow(measured)


if __name__ == "__main__":
    main()

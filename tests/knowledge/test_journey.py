"""What a new user does: upload a folder of all sorts by `glia kb add`, and ask."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import docx
from fpdf import FPDF
from tests.failures.process import Process

CHAPTERS = {
    "Delivery": "Parcels leave the house every weekday at four in the afternoon and arrive within two days.",
    "Warranty": "Every kettle is covered for five years from the day of purchase. Keep the receipt in a safe place.",
    "Returns": "Unused goods are taken back for forty days. The money is sent to the account it came from.",
}


def fill(folder: Path) -> None:
    (folder / "letters").mkdir(parents=True)
    pdf = FPDF()
    for heading, text in CHAPTERS.items():
        pdf.add_page()
        pdf.set_font("helvetica", size=20)
        pdf.cell(text=heading, new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("helvetica", size=11)
        pdf.multi_cell(w=0, text=text)
    pdf.output(str(folder / "guide.pdf"))
    made = docx.Document()
    made.add_heading("Holidays", 1)
    made.add_paragraph("The office is closed from the twenty-fourth of December until the second of January.")
    made.save(str(folder / "letters" / "holidays.docx"))
    (folder / "notes.md").write_text(
        "# Parking\n\nVisitors park behind the bakery; the barrier opens with code 4711.\n"
    )
    (folder / "prices.csv").write_text("article,price\nkettle,39 euros\nteapot,21 euros\n")


async def glia(server: Process, *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output, and what a terminal showed of standard error."""
    master, slave = pty.openpty()
    key = server.headers()["authorization"].removeprefix("Bearer ")
    environment = os.environ | {"GLIA_URL": f"http://127.0.0.1:{server.port}", "GLIA_API_KEY": key}
    command = [sys.executable, "-m", "glia", *arguments]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)

    def shown() -> bytes:
        parts: list[bytes] = []
        try:
            while part := os.read(master, 4096):
                parts.append(part)
        except OSError:
            pass  # the other end is closed
        return b"".join(parts)

    terminal = asyncio.create_task(asyncio.to_thread(shown))
    output, _ = await asyncio.to_thread(child.communicate, timeout=240)
    text = (await terminal).decode()
    os.close(master)
    return child.returncode, output.decode(), text


async def test_a_mixed_folder_is_uploaded_with_a_progress_bar_and_quoted_by_the_page(
    server: Process, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    fill(folder)

    status, output, terminal = await glia(server, "kb", "add", str(folder), "--kb", "Shop")

    assert status == 0, terminal
    assert "guide.pdf: ready, 3 pages, 3 chunks" in output
    assert "holidays.docx: ready, 1 chunks" in output
    assert output.endswith("4 of 4 documents are ready.\n")
    assert "[" + "." * 20 + "] 0/4 guide.pdf: uploading" in terminal
    assert "[###############.....] 3/4 prices.csv" in terminal

    for question, name, page, quote in (
        ("For how many years is a kettle covered?", "guide.pdf", 2, "covered for five years"),
        ("How long can I send back unused goods?", "guide.pdf", 3, "taken back for forty days"),
        ("Until when is the office closed in December?", "holidays.docx", None, "closed from the twenty-fourth"),
        ("Where do visitors park?", "notes.md", None, "park behind the bakery"),
    ):
        status, output, terminal = await glia(server, "ask", question, "--kb", "Shop", "--json")
        assert status == 0, terminal
        citation = json.loads(output)["citations"][0]
        assert (citation["document_name"], citation["page"]) == (name, page), question
        assert quote in citation["quote"]

"""Makes the 50-page handbook that the README asks about: handbook.py FILE"""

from __future__ import annotations

import sys

from fpdf import FPDF

PAGES = 50
FACT_PAGE = 37
FACT = "The reserve generator starts by itself when the mains voltage stays below 207 volts for 12 seconds."
_MACHINES = ("pump", "valve", "boiler", "turbine", "filter", "sensor", "cable", "relay", "motor", "gearbox")


def make(path: str) -> None:
    pdf = FPDF()
    pdf.set_font("Helvetica", size=12)
    for page in range(1, PAGES + 1):
        pdf.add_page()
        machine = _MACHINES[page % len(_MACHINES)]
        text = f"Chapter {page}. The {machine} in hall {page}\n\n{_rules(machine, page)}"
        pdf.multi_cell(0, 8, f"{text}\n\n{FACT}" if page == FACT_PAGE else text)
    pdf.output(path)


def _rules(machine: str, page: int) -> str:
    rules = (
        f"The {machine} in hall {page} is inspected every {page + 10} days by two people.",
        f"Its bearings are greased with {page * 3} grams of grease number {page % 7 + 1}.",
        f"A worn seal is replaced before the pressure falls under {page + 2} bar.",
        f"Repairs are written down in logbook {page}, with the name of who did them.",
        f"The spare parts of the {machine} lie in shelf {page % 12 + 1} of the store.",
    )
    return " ".join(rules)


if __name__ == "__main__":
    make(sys.argv[1])

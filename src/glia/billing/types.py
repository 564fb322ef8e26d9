"""Prices, what a workspace used in a month, and an invoice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NewType
from uuid import UUID

InvoiceId = NewType("InvoiceId", UUID)

Kind = Literal["compute", "memory", "storage", "network"]
InvoiceStatus = Literal["open", "overdue", "paid"]


@dataclass(frozen=True)
class Prices:
    """Dollars: of a core for an hour, a GiB of memory for an hour, a GB for a month, a GB in or out."""

    core_hour: Decimal
    memory_gib_hour: Decimal
    storage_gb_month: Decimal
    network_gb: Decimal


@dataclass(frozen=True)
class OwnPrices:
    """As Prices; None where the server's hold."""

    core_hour: Decimal | None = None
    memory_gib_hour: Decimal | None = None
    storage_gb_month: Decimal | None = None
    network_gb: Decimal | None = None


@dataclass(frozen=True)
class Used:
    """What one deployment, or all stored objects of the workspace, used in a month, and its price in micro-dollars.

    booked_micros: the part of its price that stands in the ledger. storage_gb_months: 1 is a GB kept for the month.
    """

    subject_kind: Literal["deployment", "objects"]
    subject_id: UUID
    name: str
    core_hours: float
    memory_gib_hours: float
    storage_gb_months: float
    network_gb: float
    compute_micros: int
    memory_micros: int
    storage_micros: int
    network_micros: int
    booked_micros: int

    @property
    def total_micros(self) -> int:
        return self.compute_micros + self.memory_micros + self.storage_micros + self.network_micros


@dataclass(frozen=True)
class Usage:
    """A month of a workspace. is_closed: it has its invoice, or needs none, and changes no more."""

    month: date
    is_closed: bool
    prices: Prices
    parts: tuple[Used, ...]

    @property
    def period(self) -> str:
        return f"{self.month:%Y-%m}"

    @property
    def core_hours(self) -> float:
        return sum(part.core_hours for part in self.parts)

    @property
    def memory_gib_hours(self) -> float:
        return sum(part.memory_gib_hours for part in self.parts)

    @property
    def storage_gb_months(self) -> float:
        return sum(part.storage_gb_months for part in self.parts)

    @property
    def network_gb(self) -> float:
        return sum(part.network_gb for part in self.parts)

    @property
    def compute_micros(self) -> int:
        return sum(part.compute_micros for part in self.parts)

    @property
    def memory_micros(self) -> int:
        return sum(part.memory_micros for part in self.parts)

    @property
    def storage_micros(self) -> int:
        return sum(part.storage_micros for part in self.parts)

    @property
    def network_micros(self) -> int:
        return sum(part.network_micros for part in self.parts)

    @property
    def booked_micros(self) -> int:
        return sum(part.booked_micros for part in self.parts)

    @property
    def total_micros(self) -> int:
        return sum(part.total_micros for part in self.parts)


@dataclass(frozen=True)
class InvoiceLine:
    """unit: `core-hours`, `GiB-hours`, `GB-months` or `GB`."""

    kind: Kind
    subject_kind: str
    subject_id: UUID
    name: str
    quantity: Decimal
    unit: str
    amount_micros: int


@dataclass(frozen=True)
class Invoice:
    """What a workspace is to pay for a month; only its payment ever changes. status: `overdue` after due_date."""

    id: InvoiceId
    month: date
    amount_micros: int
    status: InvoiceStatus
    issued_at: datetime
    due_date: date
    paid_at: datetime | None
    paid_by: str | None
    payment_note: str | None

    @property
    def period(self) -> str:
        return f"{self.month:%Y-%m}"

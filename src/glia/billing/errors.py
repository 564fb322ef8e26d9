"""What can go wrong with bills."""

from __future__ import annotations

from glia.kit.errors import Conflict, NotFound


class InvoiceNotFound(NotFound):
    code = "invoice_not_found"


class AlreadyPaid(Conflict):
    code = "already_paid"

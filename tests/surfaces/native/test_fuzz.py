"""The native surface, whatever comes."""

from __future__ import annotations

from tests.surfaces.conftest import Client, native_document
from tests.surfaces.fuzz import fuzz


def test_no_request_ends_in_a_server_error_or_an_undocumented_answer(client: Client):
    called = fuzz(native_document(client), client, examples=3)

    assert called > 150

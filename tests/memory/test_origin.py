"""Which tool call a memory names as its origin."""

from __future__ import annotations

from uuid import UUID

import pytest

from glia.memory.types import call_of

RUN = UUID("018f0000-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("source_key", "run_id", "call"),
    [
        (f"{RUN}:call_7", RUN, "call_7"),
        (f"{RUN}:call:7", RUN, "call:7"),
        (f"answer:{RUN}:7", RUN, None),  # learnt, not saved by a call
        (f"{RUN}:call_7", None, None),
        (None, RUN, None),
    ],
)
def test_only_a_key_of_the_run_itself_names_a_call(
    source_key: str | None, run_id: UUID | None, call: str | None
) -> None:
    assert call_of(source_key, run_id) == call

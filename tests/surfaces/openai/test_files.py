"""/v1/files with the `openai` package."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
import openai
import pytest
from openai import OpenAI

from tests.surfaces.openai.conftest import Live


@pytest.fixture
def api(here: Live) -> OpenAI:
    return OpenAI(base_url=here.url, api_key=here.api_key, max_retries=0, timeout=30)


def test_a_file_goes_in_and_comes_out_as_it_was(api: OpenAI) -> None:
    content = bytes(range(256)) * 9000

    file = api.files.create(file=("data ü.bin", content), purpose="user_data")

    found = (file.bytes, file.filename, file.purpose, file.status)
    assert found == (len(content), "data ü.bin", "user_data", "processed")
    assert api.files.retrieve(file.id).to_dict() == file.to_dict()
    assert api.files.content(file.id).read() == content
    assert api.files.delete(file.id).deleted
    for call in (api.files.retrieve, api.files.content, api.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(file.id)


def test_files_are_listed_page_by_page_and_by_purpose(api: OpenAI) -> None:
    made = [api.files.create(file=(f"{n}.jsonl", b"{}"), purpose="batch").id for n in range(5)]

    assert [file.id for file in api.files.list(purpose="batch", limit=2)] == made[::-1]
    assert [file.id for file in api.files.list(purpose="batch", limit=2, order="asc")] == made
    assert list(api.files.list(purpose="evals")) == []


def test_pictures_of_a_conversation_are_no_uploads(here: Live, api: OpenAI) -> None:
    kept = here.do(
        here.house.files.keep(
            b"x",
            workspace_id=here.principal.workspace_id,
            project_id=here.principal.project_id,
            name="inner",
            media_type="image/png",
        )
    )

    with pytest.raises(openai.NotFoundError):
        api.files.delete(f"file-{kept.id.hex}")
    assert "inner" not in [file.filename for file in api.files.list()]


def test_an_upload_can_expire(api: OpenAI) -> None:
    file = api.files.create(
        file=("a.txt", b"a"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )

    assert file.expires_at is not None
    assert abs(file.expires_at - file.created_at - 3600) <= 60


@pytest.mark.parametrize(
    ("fields", "files", "status", "param"),
    [
        ({}, {"file": ("a.txt", b"a")}, 400, "purpose"),
        ({"purpose": "no such thing!"}, {"file": ("a.txt", b"a")}, 400, "purpose"),
        ({"purpose": "batch"}, {"file": ("a.txt", b"")}, 400, "file"),
        ({"purpose": "batch"}, {"other": ("a.txt", b"a")}, 400, "file"),
        ({"purpose": "batch", "expires_after[seconds]": "5"}, {"file": ("a.txt", b"a")}, 400, "expires_after.seconds"),
    ],
)
def test_a_form_that_makes_no_sense_names_the_field(
    here: Live, fields: dict[str, str], files: dict[str, Any], status: int, param: str | None
) -> None:
    headers = {"authorization": f"Bearer {here.api_key}"}

    answer = httpx.post(f"{here.url}/files", data=fields, files=files, headers=headers)

    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == param


def test_lists_take_only_limits_that_make_sense(here: Live) -> None:
    headers = {"authorization": f"Bearer {here.api_key}"}
    for query, param in (("limit=0", "limit"), ("limit=x", "limit"), ("order=up", "order")):
        answer = httpx.get(f"{here.url}/files?{query}", headers=headers)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)

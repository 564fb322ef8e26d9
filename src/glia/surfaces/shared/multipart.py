"""A file upload as `multipart/form-data`, written to disk as it arrives. It is never in memory as a whole."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from glia.kit.errors import InvalidRequest, StorageFull, TooLarge, UnsupportedMedia
from glia.kit.ids import new_id
from glia.surfaces.shared.asgi import Request

_AT_ONCE = 256 * 1024
_MOST_OTHER_BYTES = 1024 * 1024
"""For everything beside the file: boundaries, headers, fields that nobody reads."""


@dataclass(frozen=True)
class Upload:
    """One file of a form. fields: the form's other fields that were wanted. ignored: the names of the rest."""

    path: Path
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    ignored: list[str]
    fields: dict[str, str]


@asynccontextmanager
async def received_file(
    request: Request,
    folder: Path,
    *,
    largest_bytes: int,
    field: str = "file",
    wanted: Collection[str] = (),
    may_be_empty: bool = False,
) -> AsyncGenerator[Upload]:
    """Receives the file of a form into `folder` and deletes it in the end, whatever happens.

    Raises InvalidRequest for a form that is not one file, TooLarge as soon as it is, UnsupportedMedia, StorageFull,
    Disconnected.
    """
    boundary = _boundary(request)
    if int(request.headers.get("content-length") or 0) > largest_bytes + _MOST_OTHER_BYTES:
        raise _too_large(largest_bytes)
    path = folder / f"upload-{new_id()}"
    sink = _Sink(path, boundary, largest_bytes, field, wanted)
    try:
        await _receive(request, sink)
        yield await asyncio.to_thread(sink.finish, may_be_empty)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull(f"The disk with {folder} is full; free some space, then upload again.") from error
        raise
    finally:
        await asyncio.to_thread(sink.remove)


async def _receive(request: Request, sink: _Sink) -> None:
    """Hands the body on in larger pieces: each costs a thread's turn. One piece at a time, so nothing is shared."""
    held = bytearray()
    while True:
        message = await request.piece()
        held += message.get("body", b"")
        is_last = not message.get("more_body", False)
        if is_last or len(held) >= _AT_ONCE:
            await asyncio.to_thread(sink.write, bytes(held))
            held.clear()
        if is_last:
            return


class _Sink:
    """Takes the form apart and writes its file. Used by one thread at a time."""

    def __init__(self, path: Path, boundary: bytes, largest_bytes: int, field: str, wanted: Collection[str]) -> None:
        from python_multipart.multipart import MultipartParser

        self._path = path
        self._largest = largest_bytes
        self._field = field
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._header = (b"", b"")
        self._headers: dict[bytes, bytes] = {}
        self._is_in_file = False
        self._is_whole = False
        self._name: str | None = None
        self._media_type = ""
        self._size = self._received = 0
        self._ignored: list[str] = []
        self._wanted = wanted
        self._fields: dict[str, bytearray] = {}
        self._text: bytearray | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def write(self, data: bytes) -> None:
        from python_multipart.exceptions import FormParserError

        self._received += len(data)
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidRequest(f"The body is not a multipart form: {error}.") from None
        if self._received - self._size > _MOST_OTHER_BYTES:
            raise TooLarge(f"The form has more than {_MOST_OTHER_BYTES} bytes beside its file; send only the file.")

    def finish(self, may_be_empty: bool = False) -> Upload:
        if self._file is None or self._name is None:
            raise InvalidRequest(
                f"The form has no file in the field `{self._field}`; send it as `curl -F {self._field}=@NAME`.",
                field=self._field,
            )
        if not self._is_whole:
            raise InvalidRequest("The form ends in the middle; upload the file again.", field=self._field)
        self._file.close()
        if self._size == 0 and not may_be_empty:
            raise InvalidRequest(f"The file {self._name!r} is empty.", field=self._field)
        digest = self._digest.hexdigest()
        return Upload(self._path, self._name, self._media_type, self._size, digest, self._ignored, self._texts())

    def _texts(self) -> dict[str, str]:
        return {name: bytes(text).decode("utf-8", "replace") for name, text in self._fields.items()}

    def remove(self) -> None:
        if self._file is not None:
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _begin(self) -> None:
        self._headers = {}
        self._header = (b"", b"")

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _header_end(self) -> None:
        name, value = self._header
        self._headers[name.lower()] = value
        self._header = (b"", b"")

    def _headers_finished(self) -> None:
        options = _options(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name != self._field:
            if name in self._wanted:
                self._text = self._fields[name] = bytearray()
            else:
                self._ignored.append(name)
            return
        if self._file is not None:
            raise InvalidRequest("The form has more than one file; upload them one by one.", field=self._field)
        if b"filename" not in options:
            raise InvalidRequest(
                f"The field `{self._field}` is not a file, for it has no file name; send it as"
                f" `curl -F {self._field}=@NAME`.",
                field=self._field,
            )
        self._name = _base_name(options[b"filename"])
        self._media_type = self._headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip()
        self._file = self._path.open("xb")
        self._is_in_file = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._text is not None:
            self._text += data[start:end]
        if not self._is_in_file or self._file is None:
            return
        part = data[start:end]
        self._size += len(part)
        if self._size > self._largest:
            raise _too_large(self._largest)
        self._digest.update(part)
        self._file.write(part)

    def _part_end(self) -> None:
        self._is_in_file, self._text = False, None

    def _end(self) -> None:
        self._is_whole = True


def _boundary(request: Request) -> bytes:
    from python_multipart.multipart import parse_options_header

    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise UnsupportedMedia(
            f"The body is {kind.decode('latin-1')[:100] or 'of no type'!r}; upload the file as `multipart/form-data`,"
            " as `curl -F file=@NAME` does."
        )
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 256:
        raise InvalidRequest("The header `Content-Type: multipart/form-data` names no boundary.")
    return boundary


def _options(header: bytes) -> dict[bytes, bytes]:
    from python_multipart.multipart import parse_options_header

    return parse_options_header(header.decode("latin-1"))[1]


def _base_name(raw: bytes) -> str:
    """The file's name without folders, which some clients send too."""
    name = raw.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in name if character.isprintable()).strip()


def _too_large(largest_bytes: int) -> TooLarge:
    return TooLarge(
        f"The file is larger than {largest_bytes} bytes, the most this server takes; split it, or raise"
        " GLIA_LIMITS__UPLOAD_BYTES."
    )

"""Pictures at others' addresses, fetched for a person who asked to see one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused, StreamedResponse, Timeouts
from glia.pictures.errors import NotAPicture, PictureTooLarge, PictureUnreachable, TooManyPictures
from glia.pictures.formats import LONGEST_HEAD_BYTES, MEDIA_TYPES, NAMES, media_type_of
from glia.pictures.types import Picture

LARGEST_BYTES = 10 * 1024 * 1024
MOST_AT_ONCE = 16
"""In one process; each may hold LARGEST_BYTES."""
MOST_AT_ONCE_EACH = 4
"""For one workspace."""

_REDIRECTS = 5
_TIMEOUTS = Timeouts(connect_seconds=5, idle_seconds=10, total_seconds=20)
_RETRY_AFTER_SECONDS = 2.0
_HEADERS = {"Accept": ", ".join(MEDIA_TYPES)}
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")


class Pictures:
    def __init__(self, outbound: Outbound, *, timeouts: Timeouts = _TIMEOUTS) -> None:
        """outbound: its policy says which addresses may be asked. timeouts: for one picture, its redirects included."""
        self._outbound = outbound
        self._timeouts = timeouts
        self._under_way: Counter[UUID] = Counter()

    async def fetch(self, principal: Principal, url: str) -> Picture:
        """The picture at an http or https address. Its server learns the address and nothing of who asks.

        Needs `pictures:read`. Raises NotAPicture for SVG and everything else that is no PNG, JPEG, GIF, WebP or AVIF by
        its own bytes, PictureTooLarge past LARGEST_BYTES, PictureUnreachable, OutboundRefused for an address that may
        not be called, also after a redirect, and TooManyPictures.
        """
        principal.require("pictures:read")
        with self._slot(principal.workspace_id):
            try:
                return await self._fetched(url)
            except OutboundRefused as error:
                raise type(error)(error.message, field="url", **error.details) from error
            except OutboundFailed as error:
                if error.kind == "too_large":
                    raise PictureTooLarge(error.message, field="url") from error
                raise PictureUnreachable(error.message, field="url", kind=error.kind) from error

    async def _fetched(self, url: str) -> Picture:
        opened = self._outbound.stream("GET", url, headers=_HEADERS, timeouts=self._timeouts, redirects=_REDIRECTS)
        async with opened as response:
            host = urlsplit(response.url).netloc
            if response.status // 100 != 2:
                raise PictureUnreachable(
                    f"{host} answered with status {response.status} and no picture.",
                    field="url",
                    kind="status",
                    upstream_status=response.status,
                )
            # The client has refused a length that is no number.
            if int(response.headers.get("content-length") or 0) > LARGEST_BYTES:
                raise _too_large(host)
            return await _read(response, host)

    @contextmanager
    def _slot(self, workspace_id: UUID) -> Generator[None]:
        """Pictures are held whole, so there are never more than a few. Nobody waits: who looks can ask again."""
        if self._under_way[workspace_id] >= MOST_AT_ONCE_EACH or self._under_way.total() >= MOST_AT_ONCE:
            raise TooManyPictures(
                f"Too many pictures are being fetched; at most {MOST_AT_ONCE_EACH} at once for a workspace, and "
                f"{MOST_AT_ONCE} for all. Ask again in {_RETRY_AFTER_SECONDS:.0f} seconds.",
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )
        self._under_way[workspace_id] += 1
        try:
            yield
        finally:
            self._under_way[workspace_id] -= 1
            if not self._under_way[workspace_id]:
                del self._under_way[workspace_id]


async def _read(response: StreamedResponse, host: str) -> Picture:
    """The body, given up as soon as its first bytes show that it is no picture."""
    content, media_type = bytearray(), None
    async for piece in response.chunks():
        content += piece
        if len(content) > LARGEST_BYTES:
            raise _too_large(host)
        if media_type is None and len(content) >= LONGEST_HEAD_BYTES:
            media_type = _told(response, host, content)
    return Picture(media_type or _told(response, host, content), bytes(content))


def _told(response: StreamedResponse, host: str, content: bytearray) -> str:
    media_type = media_type_of(bytes(content[:LONGEST_HEAD_BYTES]))
    if media_type is None:
        raise NotAPicture(
            f"What {host} sent{_called(response, content)} is not a picture that can be shown safely: "
            f"{NAMES} are, by their own bytes.",
            field="url",
        )
    return media_type


def _called(response: StreamedResponse, content: bytearray) -> str:
    """What its server calls it, where that reads as a media type: it may be anything."""
    if not content:
        return ", nothing at all,"
    named = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
    return f" as {named}" if _MEDIA_TYPE.fullmatch(named) else ""


def _too_large(host: str) -> PictureTooLarge:
    return PictureTooLarge(
        f"The picture of {host} is larger than {LARGEST_BYTES} bytes, which is the most that is fetched.", field="url"
    )

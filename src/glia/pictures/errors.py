"""Why an address gives no picture."""

from __future__ import annotations

from glia.kit.errors import RateLimited, TooLarge, UnsupportedMedia, UpstreamFailed


class NotAPicture(UnsupportedMedia):
    """What came is none of the kinds of picture that cannot hold a program."""


class PictureTooLarge(TooLarge):
    """The picture has more bytes than are fetched."""


class PictureUnreachable(UpstreamFailed):
    """The address did not answer, answered too slowly, or answered that it has nothing."""


class TooManyPictures(RateLimited):
    """As many pictures are being fetched as may be at once."""

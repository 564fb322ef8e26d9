"""E-mail through the operator's server, if there is one."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from glia.kit.errors import InvalidRequest, Unavailable, UpstreamFailed

_SECONDS = 20.0
MAILTO = "mailto:"
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class MailConfig:
    """url: `smtp://user:password@host:587`, or `smtps://` for TLS from the start; None sends nothing.

    sender: the address that mails come from. STARTTLS is used where the server offers it.
    """

    url: str | None = None
    sender: str = "glia@localhost"


_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,190}\.?[A-Za-z0-9]{1,60}")


def check_address(url: str) -> None:
    address = url.removeprefix(MAILTO)
    if not _ADDRESS.fullmatch(address):
        raise InvalidRequest(f"`url` {url[:100]!r} is no `mailto:` with one mail address.", field="url")


class Mail:
    def __init__(self, config: MailConfig) -> None:
        self._config = config

    @property
    def is_on(self) -> bool:
        return self._config.url is not None

    async def send(self, to: str, subject: str, text: str) -> None:
        """Raises Unavailable when no server is configured, UpstreamFailed when it does not take the mail."""
        if self._config.url is None:
            raise Unavailable("No mail server is configured; the operator sets GLIA_MAIL__URL.")
        await asyncio.to_thread(self._send, to, subject, text)

    def _send(self, to: str, subject: str, text: str) -> None:
        import smtplib
        from email.message import EmailMessage

        parts = urlsplit(self._config.url or "")
        message = EmailMessage()
        message["From"], message["To"] = self._config.sender, to
        message["Subject"] = " ".join(subject.split())[:200]
        message.set_content(text)
        host, port = parts.hostname or "localhost", parts.port or _PORTS.get(parts.scheme, 587)
        connect = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
        try:
            with connect(host, port, timeout=_SECONDS) as server:
                server.ehlo()
                if parts.scheme != "smtps" and server.has_extn("starttls"):
                    server.starttls()
                if parts.username:
                    server.login(unquote(parts.username), unquote(parts.password or ""))
                server.send_message(message)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise UpstreamFailed(f"The mail server did not take the mail: {error}.") from error

"""Deliveries to people: an endpoint whose address is `mailto:` somebody gets its events as mails."""

from __future__ import annotations

import time

import orjson

from glia.kit.errors import GliaError
from glia.kit.mail import MAILTO, Mail
from glia.webhooks.sending import Address, Answer, alert_of, said_in
from glia.webhooks.sending_queries import Letter


async def mailed(mail: Mail, address: Address, letter: Letter) -> Answer:
    started = time.monotonic()
    name = address.event_names.get(letter.type, letter.type)
    shown = alert_of(name, said_in(letter)) if address.style == "alert" else said_in(letter)
    subject = str(shown.get("message") or name)
    text = orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()
    try:
        await mail.send(address.url.removeprefix(MAILTO), subject, f"{name}\n\n{text}\n")
    except GliaError as error:
        return Answer(None, None, error.message, round((time.monotonic() - started) * 1000))
    return Answer(None, "sent", None, round((time.monotonic() - started) * 1000))

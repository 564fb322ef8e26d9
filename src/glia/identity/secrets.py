"""The installation's secret: keys for signing are derived from it, and stored secrets are sealed with it."""

from __future__ import annotations

import base64
import hmac
import os
from functools import lru_cache, partial

from glia.identity import queries
from glia.identity.errors import SealBroken, SecretKeyRefused
from glia.kit.db import Database

SHORTEST_SECRET_KEY = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12


class Secrets:
    """Derives keys and seals values. Holds the master key, and shows it to nobody."""

    def __init__(self, master: bytes) -> None:
        self._derived = lru_cache(maxsize=32)(partial(_hkdf, master))

    def derive(self, purpose: str) -> bytes:
        """32 bytes that are the same in every process of this installation and tell nothing about other purposes."""
        return self._derived(purpose)

    def seal(self, secret: bytes, context: str) -> bytes:
        """Encrypts with AES-256-GCM. Only `open` with the same context gives it back.

        context: where the value belongs, such as `tool:<id>`, so that nobody can move it to another row.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self.derive("seal")).encrypt(nonce, secret, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Raises SealBroken when the value was not sealed here for this context."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION or len(nonce) != _NONCE_BYTES:
                raise InvalidTag
            return AESGCM(self.derive("seal")).decrypt(nonce, body, context.encode())
        except InvalidTag:
            raise SealBroken(
                f"The stored secret of {context!r} cannot be opened with this installation's key; enter it again."
            ) from None


async def load_secrets(db: Database, secret_key: str | None = None) -> Secrets:
    """The installation's secrets, made on the first call. Several processes may call at once and get the same.

    secret_key: GLIA_SECRET_KEY when the operator set it. Without it a random one is kept in the database, where
    whoever has a dump of the database has the key to what is sealed in it; set one to keep the two apart.
    Raises SecretKeyRefused when the key is too short or is not the one that this installation began with.
    """
    if secret_key is not None and len(secret_key) < SHORTEST_SECRET_KEY:
        raise SecretKeyRefused(
            f"GLIA_SECRET_KEY has {len(secret_key)} characters; it needs at least {SHORTEST_SECRET_KEY}."
            " `openssl rand -base64 32` makes a good one."
        )
    if secret_key is not None:
        secrets = Secrets(secret_key.encode())
        kept = await _keep(db, "secret_fingerprint", _fingerprint(secrets))
    else:
        # The operator's key first: with only its fingerprint there, a random key would open nothing.
        fresh = base64.b64encode(os.urandom(32)).decode()
        master = await _keep(db, "secret_key", fresh, unless="secret_fingerprint")
        if master is None:
            raise SecretKeyRefused("This installation was made with GLIA_SECRET_KEY; set it to the same value again.")
        secrets = Secrets(base64.b64decode(master))
        kept = await _keep(db, "secret_fingerprint", _fingerprint(secrets))
    if kept is None or not hmac.compare_digest(kept, _fingerprint(secrets)):
        raise SecretKeyRefused(
            "GLIA_SECRET_KEY is not the one that this installation began with, so nothing sealed could be opened;"
            " set the first one again, or unset it when there was none."
        )
    return secrets


async def _keep(db: Database, name: str, value: str, *, unless: str | None = None) -> str | None:
    """The value that is kept under the name: this one when there was none and no `unless`, else what is there."""
    async with db.across_workspaces() as tx:
        await queries.lock(tx, "installation")
        kept = await queries.installation_value(tx, name)
        if kept is None and (unless is None or await queries.installation_value(tx, unless) is None):
            await queries.insert_installation_value(tx, name, value)
            kept = value
    return kept


def _fingerprint(secrets: Secrets) -> str:
    return secrets.derive("fingerprint")[:16].hex()


def _hkdf(master: bytes, purpose: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt=b"glia", info=purpose.encode()).derive(master)

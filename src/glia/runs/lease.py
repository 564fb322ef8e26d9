"""The process's lease: a thread that tells the database once a second that this process is alive.

The thread has its own connection, so that neither a busy event loop nor a full pool can lose the lease. The process
believes in its lease only while its own monotonic clock says that the last beat is young enough; a process that was
frozen therefore knows it before it writes anything.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg
import structlog

from glia import __version__
from glia.kit.db import SYSTEM_ROLE
from glia.kit.ids import new_id
from glia.runs import lease_queries
from glia.runs.types import ENGINE_ABI

log = structlog.get_logger(__name__)


class Lease:
    def __init__(
        self,
        url: str,
        *,
        lease_seconds: float = 5.0,
        beat_seconds: float = 1.0,
        on_lost: Callable[[UUID], None] = lambda _worker: None,
        on_cancelled: Callable[[Sequence[UUID]], None] = lambda _runs: None,
    ) -> None:
        """on_lost: called from the lease's thread with the worker id that is no longer ours.

        on_cancelled: called from that thread with runs of ours that someone wants cancelled.
        """
        self._url = url
        self._lease_seconds = lease_seconds
        self._beat_seconds = beat_seconds
        self._on_lost = on_lost
        self._on_cancelled = on_cancelled
        self._worker_id: UUID | None = None
        self._valid_until = 0.0
        self._stopping = threading.Event()
        self._registered = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="glia-lease", daemon=True)

    @property
    def worker_id(self) -> UUID | None:
        """This process as the database knows it; None while it has no valid lease."""
        return self._worker_id if time.monotonic() < self._valid_until else None

    def holds(self, worker_id: UUID) -> bool:
        """Whether the lease under which something was begun is still ours."""
        return self._worker_id == worker_id and time.monotonic() < self._valid_until

    def start(self, timeout_seconds: float = 10.0) -> None:
        self._thread.start()
        if not self._registered.wait(timeout_seconds):
            log.warning("no lease yet, the database does not answer; trying on")

    def stop(self) -> None:
        """Retires the worker, so that whatever it still held is free at once."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _keep(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while not self._stopping.is_set():
            try:
                connection = self._connect() if connection is None or connection.closed else connection
                self._beat(connection)
            except psycopg.Error as error:
                log.warning("a beat failed", error=str(error).strip().split("\n")[0])
                if connection is not None:
                    connection.close()
                    connection = None
            if self._worker_id is not None and time.monotonic() >= self._valid_until:
                self._lose()
            self._stopping.wait(self._beat_seconds)
        self._retire(connection)

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=3)
        connection.execute(f"set role {SYSTEM_ROLE}; set statement_timeout = '2s'".encode())
        return connection

    def _beat(self, connection: psycopg.Connection[Any]) -> None:
        # Measured before the statement is sent, so that our belief always ends before the database's.
        asked_at = time.monotonic()
        if self._worker_id is None:
            self._register(connection, asked_at)
            return
        row = connection.execute(
            lease_queries.BEAT, {"id": self._worker_id, "lease_seconds": self._lease_seconds}
        ).fetchone()
        if row is None:
            self._lose()
            self._register(connection, asked_at)
            return
        self._valid_until = asked_at + self._lease_seconds
        if row[0]:
            self._on_cancelled(row[0])

    def _register(self, connection: psycopg.Connection[Any], asked_at: float) -> None:
        worker_id = new_id()
        name = f"{socket.gethostname()}:{os.getpid()}"
        connection.execute(
            lease_queries.REGISTER,
            {
                "id": worker_id,
                "name": name,
                "version": __version__,
                "abi": ENGINE_ABI,
                "lease_seconds": self._lease_seconds,
            },
        )
        self._worker_id = worker_id
        self._valid_until = asked_at + self._lease_seconds
        self._registered.set()
        log.info("worker registered", worker=str(worker_id), name=name)

    def _lose(self) -> None:
        lost, self._worker_id, self._valid_until = self._worker_id, None, 0.0
        if lost is not None:
            log.error("the lease lapsed; its runs belong to others now", worker=str(lost))
            self._on_lost(lost)

    def _retire(self, connection: psycopg.Connection[Any] | None) -> None:
        worker_id, self._worker_id, self._valid_until = self._worker_id, None, 0.0
        if connection is None or connection.closed:
            return
        try:
            if worker_id is not None:
                connection.execute(lease_queries.RETIRE, {"id": worker_id})
        except psycopg.Error as error:
            log.warning("could not retire the worker; its lease will lapse", error=str(error).strip())
        finally:
            connection.close()

"""A process that owns a database until its standard input ends: what `glia serve` is to the supervisor."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from pathlib import Path
from unittest import mock

from glia.kit.errors import GliaError
from glia.kit.postgres import EmbeddedPostgres
from glia.kit.postgres.programs import Programs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--service-user", default="glia")
    parser.add_argument("--in-thread", action="store_true", help="take the way of systems without a death signal")
    parser.add_argument("--unguarded", action="store_true", help="neither death signal nor watchdog")
    options = parser.parse_args()
    postgres = EmbeddedPostgres(options.data_dir, service_user=options.service_user)
    if options.unguarded:
        spawn = Programs.spawn
        mock.patch.object(Programs, "spawn", lambda *a, **k: spawn(*a, **{**k, "death_signal": 0})).start()

    def start() -> None:
        try:
            postgres.start()
            print(json.dumps({"pid": postgres.pid}), flush=True)
        except GliaError as error:
            print(json.dumps({"error": type(error).__name__, "message": error.message}), flush=True)
        sys.stdin.read()
        postgres.stop()

    if options.in_thread:
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
    else:
        start()


if __name__ == "__main__":
    main()

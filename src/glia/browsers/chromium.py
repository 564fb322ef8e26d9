"""Starts a Chromium of its own: an empty profile, no rights of root, no way out but one port, ended with its pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glia.browsers.errors import BrowserFailed, BrowserUnavailable
from glia.browsers.protocol import Event, Protocol
from glia.browsers.types import BrowserConfig

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_NOBODY = 65534
_START_SECONDS = 20.0
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-client-side-phishing-detection",
    "--disable-features=Translate,MediaRouter,OptimizationHints,DnsOverHttps,AutofillServerCommunication",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-pings",
    "--password-store=basic",
    "--use-mock-keychain",
    "--disable-dev-shm-usage",
    "--window-size=1280,800",
)


def find(config: BrowserConfig) -> str:
    """Where Chromium is. Raises BrowserUnavailable."""
    if config.path:
        if Path(config.path).is_file():
            return config.path
        raise BrowserUnavailable(f"GLIA_BROWSER__PATH names {config.path!r}, which is no file; correct it.")
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    raise BrowserUnavailable(
        "There is no Chromium on this server, so agents cannot browse. Install it (Debian: apt-get install chromium),"
        " or name one in GLIA_BROWSER__PATH."
    )


@dataclass
class Chromium:
    """A running process. profile: removed with it."""

    process: asyncio.subprocess.Process
    protocol: Protocol
    profile: Path

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None and self.protocol.is_open

    async def close(self) -> None:
        """Ends it and everything that it has started."""
        self.protocol.close()
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        await asyncio.to_thread(shutil.rmtree, self.profile, ignore_errors=True)


async def start(config: BrowserConfig, proxy_port: int, on_event: Callable[[Event], None]) -> Chromium:
    """Raises BrowserUnavailable when it does not come up."""
    program = await asyncio.to_thread(find, config)
    profile = await asyncio.to_thread(_profile)
    protocol = Protocol(on_event)
    read, their_write = os.pipe()
    their_read, write = os.pipe()
    try:
        process = await _spawn(_command(program, config, profile, proxy_port), profile, their_read, their_write)
    except OSError as error:
        for end in (read, write):
            os.close(end)
        await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)
        raise BrowserUnavailable(f"Chromium did not start: {error.strerror}.") from None
    finally:
        for end in (their_read, their_write):
            os.close(end)
    chromium = Chromium(process, protocol, profile)
    try:
        await protocol.connect(os.fdopen(read, "rb", 0), os.fdopen(write, "wb", 0))
        await protocol.ask("Browser.getVersion", seconds=_START_SECONDS)
    except BrowserFailed:
        await chromium.close()
        raise BrowserUnavailable(
            "Chromium came up and ended, or did not answer. In a container it often may not make a sandbox for its"
            " pages; allow user namespaces, or set GLIA_BROWSER__UNSAFE_NO_SANDBOX=1 if the container is the wall."
        ) from None
    except BaseException:
        await chromium.close()
        raise
    return chromium


def _profile() -> Path:
    profile = Path(tempfile.mkdtemp(prefix="glia-browser-"))
    if os.geteuid() == 0:
        os.chown(profile, _NOBODY, _NOBODY)
    return profile


def _command(program: str, config: BrowserConfig, profile: Path, proxy_port: int) -> list[str]:
    """Chromium reads its orders from descriptor 3 and answers on 4; the shell moves its standard ones there."""
    flags = [
        *_FLAGS,
        f"--user-data-dir={profile}",
        f"--proxy-server=http://127.0.0.1:{proxy_port}",
        "--proxy-bypass-list=<-loopback>",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ]
    if config.unsafe_no_sandbox:
        flags.append("--no-sandbox")
    return ["/bin/sh", "-c", 'exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null', "sh", program, *flags]


async def _spawn(command: list[str], profile: Path, orders: int, answers: int) -> asyncio.subprocess.Process:
    rights: dict[str, Any] = {}  # of Popen, for a server that runs as root
    if os.geteuid() == 0:
        rights = {"user": _NOBODY, "group": _NOBODY, "extra_groups": ()}
    return await asyncio.create_subprocess_exec(
        *command,
        env={"HOME": str(profile), "TMPDIR": str(profile), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        cwd=profile,
        stdin=orders,
        stdout=answers,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        **rights,
    )

"""The embedded embedder: all-MiniLM-L6-v2 with 8-bit weights on the CPU, built and loaded at first use."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from glia.kit.errors import Unavailable
from glia.knowledge.embedding.build import MODEL, TOKENIZER, is_whole
from glia.knowledge.embedding.runtime import Model, Tokenizer, release_memory
from glia.knowledge.embedding.weights import SAFETENSORS_SHA256, WeightsMissing, find_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCH = 4  # larger ones are no faster and hold more memory: at 16 full texts the process peaks at 310 MB
_THREADS = 2
_BUILD_SECONDS = 300.0


class MiniLmEmbedder:
    """English, 384 dimensions, 256 word pieces (about 1,100 characters); the rest of a text is cut off.

    models: the folder for built models, as `<data_dir>/models`. The first use builds into it, once, in about 5 s.
    One batch runs at a time, and others get their turn between the batches of a long list.
    """

    model_id = "minilm-l6-v2-int8"
    dimensions = 384
    max_tokens = 256

    def __init__(self, models: Path) -> None:
        self.folder = models / f"minilm-int8-{SAFETENSORS_SHA256[:12]}"
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed")
        self._ready = asyncio.Lock()
        self._loading = Lock()
        self._tokenizer: Tokenizer | None = None
        self._model: Model | None = None

    def unavailable_reason(self) -> str | None:
        """Why it cannot be used, in a whole sentence; None if it can. Cheap: neither builds nor loads."""
        if (self.folder / MODEL).is_file():
            return None
        try:
            find_weights()
        except WeightsMissing as error:
            return str(error)
        return None

    async def build(self) -> None:
        """Builds the model if it is not there yet, without loading it: 77 MB that an idle server need not hold.

        Raises Unavailable.
        """
        async with self._ready:
            await self._build()

    async def prepare(self) -> None:
        """Builds the model if needed and loads it, so that the first `embed` need not. Raises Unavailable."""
        async with self._ready:
            if self._model is not None:
                return
            await self._build()
            self._model = await asyncio.to_thread(Model, self.folder / MODEL, threads=_THREADS)

    async def _build(self) -> None:
        if not await asyncio.to_thread(is_whole, self.folder):
            await _build(self.folder)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 per text. Raises Unavailable if the model can be neither found nor built."""
        import numpy as np

        if self._model is None:
            await self.prepare()
        loop = asyncio.get_running_loop()
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # alike lengths waste no padding
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        for start in range(0, len(order), _BATCH):
            indices = order[start : start + _BATCH]
            vectors[indices] = await loop.run_in_executor(self._worker, self._run, [texts[index] for index in indices])
        return vectors

    def count_tokens(self, text: str) -> int:
        """With the start and end tokens. Raises Unavailable."""
        return self._load_tokenizer().count(text)

    def is_truncated(self, text: str) -> bool:
        # No token is shorter than a character, so short texts need no counting.
        return len(text) > self.max_tokens - 2 and self.count_tokens(text) > self.max_tokens

    def close(self) -> None:
        """Ends the worker thread after the batch it is in."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _run(self, texts: list[str]) -> NDArray[np.float32]:
        if self._model is None:
            raise RuntimeError("The model is run before it is loaded.")
        vectors = self._model.run(self._load_tokenizer().encode(texts, max_tokens=self.max_tokens))
        if len(texts) > 1:  # a single query holds little and wants its millisecond
            release_memory()
        return vectors

    def _load_tokenizer(self) -> Tokenizer:
        with self._loading:
            if self._tokenizer is None:
                built = self.folder / TOKENIZER
                try:
                    self._tokenizer = Tokenizer(built if built.is_file() else find_weights() / TOKENIZER)
                except WeightsMissing as error:
                    raise Unavailable(str(error)) from error
            return self._tokenizer


async def _build(folder: Path) -> None:
    try:
        weights = await asyncio.to_thread(find_weights)
    except WeightsMissing as error:
        raise Unavailable(str(error)) from error
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "glia.knowledge.embedding.build",
        str(weights),
        str(folder),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
    )
    try:
        async with asyncio.timeout(_BUILD_SECONDS):
            _, complaint = await child.communicate()
    except TimeoutError:
        raise Unavailable(f"Building the embedding model took more than {_BUILD_SECONDS:g} seconds.") from None
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await asyncio.shield(child.wait())
    if child.returncode:
        last = complaint.decode("utf-8", "replace").strip().rpartition("\n")[2][:500]
        raise Unavailable(f"The embedding model could not be built in {folder.parent}: {last}")

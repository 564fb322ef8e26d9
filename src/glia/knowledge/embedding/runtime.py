"""The one place that touches onnxruntime and the tokenizer."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Tokenizer:
    """Word pieces of a BERT model, with its start and end tokens."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer as Fast

        self._fast: Any = Fast.from_file(str(path))  # the stubs leave its results untyped
        self._fast.no_truncation()
        self._fast.no_padding()
        self._end: int = self._fast.token_to_id("[SEP]")

    def count(self, text: str) -> int:
        return len(self._fast.encode(text).ids)

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> list[list[int]]:
        """Each text's ids, cut to `max_tokens` with the end token kept."""
        # 64 characters a token are more than any text has; without the cut one long text would cost seconds.
        encoded: list[list[int]] = [
            found.ids for found in self._fast.encode_batch([text[: max_tokens * 64] for text in texts])
        ]
        return [ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], self._end] for ids in encoded]


class Model:
    """The loaded network: about 80 MB with its library, and up to 50 MB more while a batch of 4 full texts runs."""

    def __init__(self, path: Path, *, threads: int) -> None:
        import onnxruntime  # pyright: ignore[reportMissingTypeStubs]  # it ships none

        library: Any = onnxruntime
        options = library.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # The arena would keep the largest batch's scratch for ever; spinning threads would burn a core when idle.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, batch: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """One row of length 1 per list of token ids."""
        import numpy as np

        width = max(len(ids) for ids in batch)
        ids = np.zeros((len(batch), width), np.int64)
        mask = np.zeros((len(batch), width), np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return self._session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0]


def release_memory() -> None:
    """Gives freed memory back to the system, where the C library can. Without it the process stays 150 MB larger."""
    trim: Any = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)

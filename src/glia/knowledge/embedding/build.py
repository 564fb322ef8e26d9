"""Builds the embedded model once, in a process of its own, so that the server never holds its 0.5 GB.

`python -m glia.knowledge.embedding.build WEIGHTS TARGET`: TARGET is a folder that then holds `model.onnx`, its
`sha256` and `tokenizer.json`. It appears whole or not at all; a second builder waits for the first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

from glia.knowledge.embedding.weights import WeightsMissing, check_weights, sha256

MODEL, CHECKSUM, TOKENIZER = "model.onnx", "sha256", "tokenizer.json"


def main() -> None:
    weights, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_whole(target):
            return
        try:
            check_weights(weights)
        except WeightsMissing as error:
            sys.exit(str(error))
        _build(weights, target)


def is_whole(target: Path) -> bool:
    """Whether the model is there as it was built. Reads 23 MB."""
    try:
        return (target / CHECKSUM).read_text() == sha256(target / MODEL) and (target / TOKENIZER).is_file()
    except FileNotFoundError:
        return False


def _build(weights: Path, target: Path) -> None:
    from glia.knowledge.embedding.graph import build_int8

    scratch = target.with_name(f"{target.name}.building")
    for leftover in (scratch, target):  # of a builder that was killed; the lock says it is gone
        shutil.rmtree(leftover, ignore_errors=True)
    scratch.mkdir()
    build_int8(weights / "model.safetensors", scratch / MODEL, scratch=scratch)
    shutil.copyfile(weights / TOKENIZER, scratch / TOKENIZER)
    (scratch / CHECKSUM).write_text(sha256(scratch / MODEL))
    for path in (*scratch.iterdir(), scratch):
        _flush(path)
    scratch.rename(target)
    _flush(target.parent)


def _flush(path: Path) -> None:
    """Brings a file or folder to the disk, so that a power cut after the rename finds it complete."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()

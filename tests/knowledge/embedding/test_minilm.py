"""The embedded embedder, built from the carried weights. Without them these tests are skipped."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from glia.kit.errors import Unavailable
from glia.knowledge.embedding import minilm, weights
from glia.knowledge.embedding.build import MODEL, is_whole
from glia.knowledge.embedding.minilm import MiniLmEmbedder
from glia.knowledge.embedding.weights import WeightsMissing, check_weights, find_weights


def carried() -> bool:
    try:
        find_weights()
    except WeightsMissing:
        return False
    return True


needs_weights = pytest.mark.skipif(not carried(), reason="the package that carries the weights is not installed")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of built models for all test processes: building takes seconds."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "models"


@needs_weights
async def test_alike_texts_have_alike_vectors_of_length_one(models: Path) -> None:
    embedder = MiniLmEmbedder(models)
    texts = ["How do I reset my password?", "Ways to recover a forgotten login", "The Danube flows into the Black Sea"]

    vectors = await embedder.embed(texts)

    assert vectors.shape == (3, embedder.dimensions)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert vectors[0] @ vectors[1] > 0.4
    assert vectors[0] @ vectors[2] < 0.2


@needs_weights
async def test_a_text_keeps_its_vector_and_its_place_in_any_company(models: Path) -> None:
    embedder = MiniLmEmbedder(models)
    texts = [f"{'word ' * (17 * index % 60)}number {index}" for index in range(23)]

    together = await embedder.embed(texts)
    alone = np.vstack([await embedder.embed([text]) for text in texts])

    assert np.all(np.sum(together * alone, axis=1) > 0.97)  # 8-bit activations share one scale per batch
    assert (np.argmax(together @ alone.T, axis=1) == np.arange(23)).mean() > 0.9


@needs_weights
async def test_no_texts_and_empty_texts_are_fine(models: Path) -> None:
    embedder = MiniLmEmbedder(models)

    assert (await embedder.embed([])).shape == (0, 384)
    assert np.isfinite(await embedder.embed([""])).all()


@needs_weights
async def test_what_is_beyond_the_limit_has_no_part_in_the_vector(models: Path) -> None:
    embedder = MiniLmEmbedder(models)
    start = "river " * 254
    vectors = await embedder.embed([start, start + "completely different ending " * 50])

    assert embedder.count_tokens(start) == 256
    assert not embedder.is_truncated(start)
    assert embedder.is_truncated(start + "more")
    assert vectors[0] @ vectors[1] > 0.999


@needs_weights
async def test_two_that_find_a_damaged_model_build_it_once_again(tmp_path: Path) -> None:
    first, second = MiniLmEmbedder(tmp_path), MiniLmEmbedder(tmp_path)
    first.folder.mkdir(parents=True)
    (first.folder / MODEL).write_bytes(b"half a model")
    (first.folder / "sha256").write_text("0" * 64)

    await asyncio.gather(first.prepare(), second.prepare())

    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [first.folder.name]
    assert is_whole(first.folder)


@needs_weights
def test_other_weights_are_refused(tmp_path: Path) -> None:
    folder = find_weights()
    check_weights(folder)
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)

    with pytest.raises(WeightsMissing, match=r"model\.safetensors is not the pinned file"):
        check_weights(tmp_path)


async def test_without_the_weights_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_CARRIER", "no_such_package")
    embedder = MiniLmEmbedder(tmp_path)

    assert "not installed" in (embedder.unavailable_reason() or "")
    with pytest.raises(Unavailable, match="not installed"):
        await embedder.embed(["text"])
    with pytest.raises(Unavailable, match="not installed"):
        embedder.count_tokens("text")


@needs_weights
async def test_a_build_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"\0")
    monkeypatch.setattr(minilm, "find_weights", lambda: tmp_path)

    with pytest.raises(Unavailable, match="not the pinned file"):
        await MiniLmEmbedder(tmp_path / "models").prepare()


def test_importing_the_embedders_loads_no_heavy_library() -> None:
    code = (
        "import sys, glia.knowledge.embedding.minilm, glia.knowledge.embedding.endpoint;"
        "print([name for name in ('numpy', 'onnxruntime', 'onnx', 'tokenizers', 'safetensors') if name in sys.modules])"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"

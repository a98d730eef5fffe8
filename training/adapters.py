"""What the sentiment and the routing network share: LoRA adapters on the base, and the folder they are kept in."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

ADAPTER, SHAPE = "adapter.safetensors", "adapter.json"
_LAYERS = ("query", "key", "value", "dense")


@dataclass(frozen=True)
class Shape:
    """The mark of the base that adapters belong to; what kinds of adapters add to it is their own."""

    base: str


S = TypeVar("S", bound=Shape)


def add_adapters(
    body: nn.Module, base: Path, error: type[Exception], rank: int, others: Mapping[str, int] | None = None
) -> nn.Module:
    """Return a BERT with fresh adapters (Hu et al. 2022) in every layer.

    Args:
        body: the encoder.
        base: its folder, for the message.
        error: raised when it has no layers that are known.
        rank: of the layers' adapters.
        others: ranks of adapters in further modules, by name.
    """
    linear = {n.rsplit(".", 1)[-1] for n, m in body.named_modules() if isinstance(m, nn.Linear)}
    targets = [name for name in _LAYERS if name in linear]
    if not targets:
        raise error(f"{base}: has no layers named {', '.join(_LAYERS)}; name a BERT folder as the base")
    more = dict(others or {})
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules=[*targets, *more],
        rank_pattern=more,
        alpha_pattern={name: 2 * own for name, own in more.items()},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped: nn.Module = get_peft_model(body, config)
    return wrapped


def write_adapter(folder: Path, state: Mapping[str, Tensor], shape: Shape) -> None:
    """Write tensors as float16, and their shape."""
    save_file(
        {name: value.detach().cpu().half().contiguous() for name, value in state.items()}, folder / ADAPTER
    )
    (folder / SHAPE).write_text(json.dumps(asdict(shape), indent=1) + "\n", encoding="utf-8")


def read_adapter(
    folder: Path, kind: type[S], base: Path, mark: str, error: type[Exception], commands: Sequence[str]
) -> tuple[S, dict[str, Tensor]]:
    """Return the shape and the tensors, float32, that `write_adapter` wrote.

    Args:
        folder: of the adapters.
        kind: class of the shape.
        base: folder of the base they are meant for.
        mark: of that base.
        error: raised when a file is missing or damaged, or the adapters belong to another base.
        commands: that make them, and that make them again on another base, for the message.
    """
    for name in (ADAPTER, SHAPE):
        if not (folder / name).is_file():
            raise error(f"{folder / name}: is missing; make the adapters with `{commands[0]}`")
    try:
        shape = kind(**json.loads((folder / SHAPE).read_text(encoding="utf-8")))
        state = {name: value.float() for name, value in load_file(folder / ADAPTER).items()}
    except Exception as problem:  # safetensors raises plain exceptions of its own
        raise error(f"{folder}: adapters cannot be read ({problem}); restore the files") from None
    if mark != shape.base:
        raise error(
            f"{folder}: the adapters belong to base {shape.base}, but {base} is {mark}; "
            f"make them again with `{commands[-1]}`"
        )
    return shape, state

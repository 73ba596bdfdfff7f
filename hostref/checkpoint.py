"""Checkpoint of a float training, from which it resumes with the same numbers.

One safetensors file: the tensors, and a JSON header {kind, version, hash of the tensors, ...} with a hash
of its own. It appears under its name whole or not at all; a damaged or foreign one is refused by name.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from hostref.backend import Tensor
from neurosim.storage import JsonError, sealed, unsealed, write_atomically

VERSION = 2
"""Version 1 had no hash of the header."""
_HEADER = "hostref"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used. The message names the file and what to do."""


def _digest(tensors: Mapping[str, Tensor]) -> str:
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        octets = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode() + octets)
    return digest.hexdigest()


def save(path: Path, kind: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write `tensors` and JSON-able `facts` as a checkpoint of this `kind`."""
    from safetensors.torch import save as to_bytes  # asks for torch, which `backend` does in words

    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {"kind": kind, "version": VERSION, "tensors_sha256": _digest(kept), **facts}
    write_atomically(path, to_bytes(kept, metadata={_HEADER: sealed(header).decode()}))


def load(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and facts of a checkpoint of this `kind`."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            header = unsealed((file.metadata() or {}).get(_HEADER, "").encode())
    except (SafetensorError, JsonError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: no readable checkpoint ({error}); delete it to start again"
        ) from error
    if (header.get("kind"), header.get("version")) != (kind, VERSION):
        raise CheckpointError(
            f"{path}: holds {header.get('kind')!r} version {header.get('version')!r}; "
            f"needed is {kind!r} version {VERSION}: use another folder"
        )
    if header.get("tensors_sha256") != _digest(tensors):
        raise CheckpointError(
            f"{path}: its content does not match its sha256; delete it to start again"
        )
    return tensors, header

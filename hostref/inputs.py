"""Batches of packed spikes as tensors.

A batch is unpacked on the device where it is used: 300 bytes per step are transferred, not 9 kilobytes.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hostref.backend import Tensor, torch
from neurosim.data.frames import Frames
from neurosim.network import Network, NetworkError
from neurosim.network.shapes import Shape

if TYPE_CHECKING:
    from neurosim.data.datasets import Dataset


class Samples(NamedTuple):
    """Frames on a device.

    octets  uint8 (sample, step, octet)  bit j % 8 of octet j // 8: input j
    labels  int64 (sample,)
    inputs  int
    """

    octets: Tensor
    labels: Tensor
    inputs: int

    def __len__(self) -> int:
        return int(self.labels.shape[0])

    def batch(self, index: Tensor | slice, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Spikes (sample, step, input) as 0.0 and 1.0, and labels, of the samples `index`."""
        return unpack(self.octets[index], self.inputs, dtype), self.labels[index]


def load(frames: Frames, device: torch.device | str = "cpu") -> Samples:
    """Samples of `frames` on `device`."""
    octets = np.ascontiguousarray(frames.bits, "<u8").view(np.uint8)[..., : -(-frames.inputs // 8)]
    return Samples(
        torch.from_numpy(octets.copy()).to(device),
        torch.from_numpy(frames.labels.astype(np.int64)).to(device),
        frames.inputs,
    )


def unpack(octets: Tensor, inputs: int, dtype: torch.dtype) -> Tensor:
    """0.0 and 1.0, (..., input), from uint8 (..., octet), lowest bit first."""
    masks = torch.tensor([1 << j for j in range(8)], dtype=torch.uint8, device=octets.device)
    bits = (octets.unsqueeze(-1) & masks).ne(0).flatten(-2)
    return bits[..., :inputs].to(dtype)


def shape_of(data: "Dataset") -> Shape:
    """The inputs of a data set as a map (polarities, height, width), or (inputs,) without a plane."""
    return data.sensor.shape if data.sensor.plane else (data.train.inputs,)


def check(network: Network, frames: Frames) -> None:
    """Raise NetworkError unless `network` takes these frames."""
    wanted = sum(part.size for part in network.inputs)
    classes = network.populations[network.output].neurons
    if frames.inputs != wanted:
        raise NetworkError(
            f"the network has {wanted} inputs, the data {frames.inputs}; "
            f"choose the data set (and its pooling) that the network was made for"
        )
    if len(frames.labels) == 0:
        raise NetworkError("the data holds no samples; give at least one")
    if int(frames.labels.max()) >= classes:
        raise NetworkError(
            f"the network has {classes} output neurons, and the data has a label "
            f"{int(frames.labels.max())}; allowed are 0..{classes - 1}"
        )


def chunks(samples: int, size: int) -> Iterator[slice]:
    """Slices of at most `size`, in order."""
    for start in range(0, samples, size):
        yield slice(start, min(start + size, samples))

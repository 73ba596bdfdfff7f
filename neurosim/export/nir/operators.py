"""Linear nodes of NIR graphs: output shapes, matrices written out, and connection kinds like them.

    Linear, Affine, Conv2d, SumPool2d, AvgPool2d, Scale        a node kind is an entry of OPERATORS

Neurons lie in C order of (channel, y, x). A pool averages over its whole window, padding included, as
PyTorch's does.
"""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.export.nir.file_io import NirError
from neurosim.export.nir.values import numbers, plain
from neurosim.network import NetworkError
from neurosim.network.connections import ConnectionKind, Conv2d, SumPool2d
from neurosim.network.connections.planes import Pair
from neurosim.network.shapes import MAP, Shape

Float = NDArray[np.float64]


class Operator(NamedTuple):
    """A linear node between spikes of `in_shape` and currents of `out_shape`.

    matrix  float64 (output, input);  bias  float64 (output,)
    kind    the connection kind with the same synapses, or None
    """

    out_shape: Shape
    matrix: Float
    bias: Float
    kind: ConnectionKind | None = None


class Window(NamedTuple):
    """Extent, stride, padding and dilation of a window (y, x)."""

    extent: Pair
    stride: Pair
    padding: Pair
    dilation: Pair = (1, 1)

    def out_plane(self, name: str, plane: Pair) -> Pair:
        """Height and width of what comes out; NirError where no window fits."""
        sizes = [
            (size + 2 * pad - spread * (extent - 1) - 1) // step + 1
            for size, extent, step, pad, spread in zip(plane, *self, strict=True)
        ]
        if min(sizes) < 1:
            raise NirError(
                f"node {name!r}: its window {self.extent} does not fit a map of {plane} with padding "
                f"{self.padding}; use a smaller window, or more padding"
            )
        return sizes[0], sizes[1]

    def taps(self, plane: Pair, out: Pair) -> tuple[NDArray[np.int64], ...]:
        """For each tap inside the map: ky, kx, and positions in the source and the target map."""
        oy, ox, ky, kx = (a.reshape(-1) for a in np.indices((*out, *self.extent), dtype=np.int64))
        y = oy * self.stride[0] + ky * self.dilation[0] - self.padding[0]
        x = ox * self.stride[1] + kx * self.dilation[1] - self.padding[1]
        inside = (y >= 0) & (y < plane[0]) & (x >= 0) & (x < plane[1])
        source, target = y * plane[1] + x, oy * out[1] + ox
        return ky[inside], kx[inside], source[inside], target[inside]


def _pair(name: str, what: str, given: Any, least: int) -> Pair:
    values = numbers(name, what, given).ravel()
    if values.size not in (1, 2) or (values != np.rint(values)).any() or values.min() < least:
        raise NirError(
            f"node {name!r}: {what} is {given!r}; needed are one or two whole numbers (y, x), "
            f"{least} or more"
        )
    return int(values[0]), int(values[-1])


def _map(name: str, kind: str, in_shape: Shape) -> Shape:
    if len(in_shape) != MAP:
        raise NirError(
            f"node {name!r} ({kind}) takes a map (channels, height, width); what comes has shape "
            f"{in_shape}: give the Input, or the neurons before it, that shape"
        )
    return in_shape


def _linear(name: str, node: Any, in_shape: Shape) -> Operator:
    weight = numbers(name, "weight", node.weight)
    if weight.ndim != 2 or weight.shape[1] != prod(in_shape):
        raise NirError(
            f"node {name!r}: weights {weight.shape} for {prod(in_shape)} inputs; needed are weights "
            f"{(*weight.shape[:1], prod(in_shape))}"
        )
    bias = numbers(name, "bias", node.bias).ravel() if hasattr(node, "bias") else np.zeros(1)
    return Operator(weight.shape[:1], weight, _bias(name, bias, len(weight)))


def _bias(name: str, bias: Float, size: int) -> Float:
    if bias.size not in (1, size):
        raise NirError(f"node {name!r}: {bias.size} biases for {size} outputs; needed is one each")
    return np.broadcast_to(bias, size).astype(np.float64)


def _padding(name: str, node: Any, window: Window) -> Pair:
    """Padding as numbers; `same` and `valid` as PyTorch has them."""
    given = plain(node.padding)
    if not isinstance(given, str):
        return _pair(name, "padding", given, 0)
    spans = [d * (k - 1) for d, k in zip(window.dilation, window.extent, strict=True)]
    if given == "same" and window.stride == (1, 1) and not any(span % 2 for span in spans):
        return spans[0] // 2, spans[1] // 2
    if given == "valid":
        return 0, 0
    raise NirError(
        f"node {name!r}: padding is {given!r} with a window of {window.extent} and stride "
        f"{window.stride}; give numbers (y, x)"
    )


def _conv2d(name: str, node: Any, in_shape: Shape) -> Operator:
    channels = _map(name, "Conv2d", in_shape)[0]
    weight = numbers(name, "weight", node.weight)
    groups = _pair(name, "groups", node.groups, 1)[0]
    if weight.ndim != 4 or weight.shape[1] * groups != channels or len(weight) % groups:
        raise NirError(
            f"node {name!r}: weights {weight.shape} in {groups} groups for {channels} maps; needed is "
            f"(maps, {channels} / groups, height, width)"
        )
    stride, dilation = (
        _pair(name, "stride", node.stride, 1),
        _pair(name, "dilation", node.dilation, 1),
    )
    window = Window(weight.shape[2:], stride, (0, 0), dilation)
    window = window._replace(padding=_padding(name, node, window))
    matrix, out = _written_out(name, window, weight, in_shape, groups)
    bias = numbers(name, "bias", 0.0 if node.bias is None else node.bias).ravel()
    each = np.repeat(_bias(name, bias, len(weight)), out[0] * out[1])
    kind = None
    if groups == 1 and dilation == (1, 1):
        kind = _kind_of(lambda: Conv2d(len(weight), window.extent, stride, window.padding))
    return Operator((len(weight), *out), matrix, each, _fitting(kind, in_shape))


def _written_out(
    name: str, window: Window, weight: Float, in_shape: Shape, groups: int
) -> tuple[Float, Pair]:
    """The matrix (output, input) of a convolution, and the plane that it makes."""
    _, *plane = in_shape
    here = plane[0], plane[1]
    out = window.out_plane(name, here)
    ky, kx, source, target = window.taps(here, out)
    size, out_size = here[0] * here[1], out[0] * out[1]
    matrix = np.zeros((len(weight) * out_size, in_shape[0] * size))
    each, per_group = weight.shape[1], len(weight) // groups
    for k in range(len(weight)):
        for c in range(each):
            first = (k // per_group * each + c) * size
            matrix[k * out_size + target, first + source] = weight[k, c, ky, kx]
    return matrix, out


def _pool(name: str, node: Any, in_shape: Shape, averages: bool) -> Operator:
    channels = _map(name, "pooling", in_shape)[0]
    size = _pair(name, "kernel_size", node.kernel_size, 1)
    given = node.stride if node.stride is not None and np.size(plain(node.stride)) else size
    window = Window(size, _pair(name, "stride", given, 1), _pair(name, "padding", node.padding, 0))
    share = 1.0 / (size[0] * size[1]) if averages else 1.0
    ones = np.full((channels, 1, *size), share)
    matrix, out = _written_out(name, window, ones, in_shape, channels)
    kind = None
    if window.padding == (0, 0):
        kind = _kind_of(lambda: SumPool2d(size, window.stride))
    return Operator((channels, *out), matrix, np.zeros(len(matrix)), _fitting(kind, in_shape))


def _scale(name: str, node: Any, in_shape: Shape) -> Operator:
    scale = numbers(name, "scale", node.scale).ravel()
    size = prod(in_shape)
    if scale.size not in (1, size):
        raise NirError(f"node {name!r}: {scale.size} factors for {size} inputs; needed is one each")
    return Operator(in_shape, np.diag(np.broadcast_to(scale, size)), np.zeros(size))


def _kind_of(make: Callable[[], ConnectionKind]) -> ConnectionKind | None:
    try:
        return make()
    except NetworkError:
        return None


def _fitting(kind: ConnectionKind | None, in_shape: Shape) -> ConnectionKind | None:
    """The kind, unless it does not take such a map: its windows are written out then."""
    try:
        return kind if kind is not None and kind.out_shape(in_shape) else None
    except NetworkError:
        return None


OPERATORS: dict[str, Callable[[str, Any, Shape], Operator]] = {
    "Linear": _linear,
    "Affine": _linear,
    "Conv2d": _conv2d,
    "SumPool2d": lambda name, node, shape: _pool(name, node, shape, averages=False),
    "AvgPool2d": lambda name, node, shape: _pool(name, node, shape, averages=True),
    "Scale": _scale,
}
WEIGHTED = ("Linear", "Affine", "Conv2d")
"""Of which one alone may lie on a way: the product of two matrices is no matrix of few bits."""


def out_shape(name: str, node: Any, in_shape: Shape) -> Shape:
    """The shape of what a linear node gives, without its matrix."""
    kind = type(node).__name__
    if kind in ("Linear", "Affine"):
        shape = np.asarray(plain(node.weight)).shape
        return shape[:1] if len(shape) == 2 else in_shape
    if kind == "Scale":
        return in_shape
    return OPERATORS[kind](name, node, in_shape).out_shape

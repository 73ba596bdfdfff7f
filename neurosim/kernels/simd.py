"""SIMD lanes: vector types and operations for kernels.

A `Lanes` value is one machine vector: sixteen int32 (neurons), sixteen or thirty-two int16 (neurons whose
sums are known to fit, or sixteen spike bits of thirty-two trials) or eight uint64 (words of spikes).
Left to itself the compiler promotes int32 to int64, checks every pair of arrays for overlap and
keeps membranes in memory; written with lanes, a membrane stays in a register over all time steps
and comparison gives sixteen spike bits in one instruction. Any processor runs the same code: a
vector wider than its registers is split.

Inner kernels work on `pointer(array)`: the array's elements in C order and nothing else, so that no
reference is counted where time is spent. Whoever takes a pointer keeps the array alive: take it from
an argument, not from an array made in the same function.

Uncompiled, lanes are small NumPy arrays, a pointer is a flat view, and the bits are the same, so that
a kernel's `py_func` can be stepped through.
"""

import operator
from collections.abc import Callable
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.errors import TypingError
from numba.core.extending import lower_builtin, register_model
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numpy.typing import NDArray

WIDTH = 16
"""Neurons in one value: 16 x 32 bits fill the widest registers there are (512 bits)."""
TWIN = 2 * WIDTH
"""Neurons in one value of 16 bits each."""
LINE = 64
"""Bytes of a line of the cache."""
WORDS = 8
"""Words of spikes in one value: 8 x 64 bits."""
FEATURES = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
"""Features that the target processor has (+) and has not (-), in LLVM's names."""
LOOKS_UP = "+avx512bw" in FEATURES
"""Whether it has an instruction for `look_up`; otherwise that is done lane by lane."""
LISTS = "+avx512f" in FEATURES
"""Whether it has an instruction for `store_places`; otherwise that is done bit by bit."""


class LanesType(types.Type):
    """Numba's type of `count` integers of `bits` bits in one vector; 1 bit is a comparison's result."""

    def __init__(self, bits: int, count: int) -> None:
        self.bits, self.count = bits, count
        super().__init__(name=f"Lanes({count} x {bits} bits)")

    @property
    def vector(self) -> ir.VectorType:
        return ir.VectorType(ir.IntType(self.bits), self.count)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: LanesType) -> None:
        super().__init__(manager, lanes, lanes.vector)


NEURONS = LanesType(32, WIDTH)
SHORTS = LanesType(16, WIDTH)
TWINS = LanesType(16, TWIN)
SPIKES = LanesType(1, WIDTH)
SPIKE_WORDS = LanesType(64, WORDS)
Codegen = Callable[..., Any]


def _compiled(function: Callable[..., Any], *kinds: Any) -> Callable[[Codegen], Codegen]:
    """The code that stands for `function` in compiled kernels, and the types it is for.

    The last of `kinds` is the result: a type, or a function of the argument types.
    """
    *wanted, result = kinds

    def matches(argument: Any, kind: Any) -> bool:
        if isinstance(kind, type):
            return isinstance(argument, kind)
        return argument == kind or (
            isinstance(kind, types.Integer) and isinstance(argument, types.Integer)
        )

    @infer_global(function)
    class _Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) != len(wanted) or not all(map(matches, args, wanted)):
                return None
            arguments = [
                arg if isinstance(kind, type) else kind
                for arg, kind in zip(args, wanted, strict=True)
            ]
            returned = result if isinstance(result, types.Type) else result(*arguments)
            return signature(returned, *arguments)

    def register(codegen: Codegen) -> Codegen:
        @lower_builtin(function, *wanted)
        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return codegen(context, builder, sig, args)

        return codegen

    return register


def _llvm(builder: Any, name: str, result: Any, argument: Any) -> Any:
    """Call an LLVM intrinsic of one argument."""
    kind = ir.FunctionType(result, [argument.type])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [argument])


# --- operators: + - * & | ^, and > != giving spikes --------------------------------------------

for _symbol, _emit in (
    (operator.add, "add"),
    (operator.sub, "sub"),
    (operator.mul, "mul"),
    (operator.and_, "and_"),
    (operator.or_, "or_"),
    (operator.xor, "xor"),
):
    for _lanes in (NEURONS, SHORTS, TWINS, SPIKE_WORDS):
        _compiled(_symbol, _lanes, _lanes, _lanes)(
            lambda context, builder, sig, args, emit=_emit: getattr(builder, emit)(*args)
        )
for _symbol, _sign in ((operator.gt, ">"), (operator.ne, "!=")):
    _compiled(_symbol, NEURONS, NEURONS, SPIKES)(
        lambda context, builder, sig, args, sign=_sign: builder.icmp_signed(sign, *args)
    )


# --- memory ------------------------------------------------------------------------------------


def zeros(shape: int | tuple[int, ...], kind: Any) -> NDArray[Any]:
    """Zeros aligned to a cache line: a vector read across two lines takes twice as long."""
    return _aligned(shape, kind, np.zeros)


def empty(shape: int | tuple[int, ...], kind: Any) -> NDArray[Any]:
    """As `zeros`, for arrays that are written before they are read."""
    return _aligned(shape, kind, np.empty)


def _aligned(shape: int | tuple[int, ...], kind: Any, make: Callable[..., Any]) -> NDArray[Any]:
    count = prod(shape) if isinstance(shape, tuple) else shape
    size = int(count) * np.dtype(kind).itemsize
    memory = make(size + LINE, np.uint8)
    begin = -memory.__array_interface__["data"][0] % LINE
    return memory[begin : begin + size].view(kind).reshape(shape)


def zeros_together(*parts: tuple[int | tuple[int, ...], Any]) -> list[NDArray[Any]]:
    """`zeros` for each (shape, kind) in one allocation, because allocations take the time."""
    sizes = [
        (prod(shape) if isinstance(shape, tuple) else shape) * np.dtype(kind).itemsize
        for shape, kind in parts
    ]
    places = list(accumulate((-(-size // LINE) * LINE for size in sizes), initial=0))
    memory = zeros(places[-1], np.uint8)
    return [
        memory[place : place + size].view(kind).reshape(shape)
        for place, size, (shape, kind) in zip(places, sizes, parts, strict=False)
    ]


def pointer(array: Any) -> Any:
    """The elements of a C-contiguous array, in order; a pointer stays one."""
    return array.reshape(-1)


def pointer_past(array: Any) -> Any:
    """As `pointer`, of an array within memory of its own kind, so that what lies behind is in reach."""
    memory = array if array.base is None else array.base
    begin = array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    count = (memory.nbytes - begin) // array.itemsize
    return memory.reshape(-1).view(np.uint8)[begin:][: count * array.itemsize].view(array.dtype)


def pointer_to_halves(array: Any) -> Any:
    """The same memory as uint16: four to a uint64 word, lowest bits first."""
    return array.reshape(-1).view(np.uint16)


def pointer_to_bytes(array: Any) -> Any:
    """The same memory as uint8: eight to a uint64 word, lowest bits first."""
    return array.reshape(-1).view(np.uint8)


def load(elements: Any, offset: int) -> Any:
    """Sixteen int32 neurons from int8, int16 or int32 elements (sign kept)."""
    return elements[offset : offset + WIDTH].astype(np.int32)


def load_shorts(elements: Any, offset: int) -> Any:
    """Sixteen int16 neurons from int8 or int16 elements (sign kept)."""
    return elements[offset : offset + WIDTH].astype(np.int16)


def load_twins(elements: Any, offset: int) -> Any:
    """Thirty-two int16, two vectors in one, from int8 (sign kept), int16 or uint16 elements (same bits)."""
    return elements[offset : offset + TWIN].astype(np.int16)


def store_twins(elements: Any, offset: int, value: Any) -> None:
    """Write thirty-two int16 neurons to int16 elements."""
    elements[offset : offset + TWIN] = value


def load_words(elements: Any, offset: int) -> Any:
    """Eight words of spikes from uint64 elements."""
    return elements[offset : offset + WORDS].copy()


def load_bits(words: Any, place: int) -> Any:
    """The bits of uint64 words from bit `place` on: 57 of them at least, those above not to be used.

    The word after the one of the last bit must be there.
    """
    word, bit = divmod(int(place), 64)
    return np.uint64(((int(words[word]) | int(words[word + 1]) << 64) >> bit) & 0xFFFFFFFFFFFFFFFF)


def store_words(elements: Any, offset: int, value: Any) -> None:
    """Write eight words to uint64 elements."""
    elements[offset : offset + WORDS] = value


def store_interleaved(elements: Any, offset: int, even: Any, odd: Any, most: int) -> None:
    """Write words of `even` and `odd` in turn to uint64 elements: all sixteen, or the first `most`."""
    words = np.stack([even, odd], axis=1).reshape(-1)[:most]
    elements[offset : offset + len(words)] = words


def store_places(elements: Any, offset: int, word: Any, first: int) -> None:
    """Write the places of the ones of a 64-bit word, counted from `first`, to int32 elements.

    Up to 16 elements past the last one are written too.
    """
    word = int(word)
    places = [first + place for place in range(64) if word >> place & 1]
    elements[offset : offset + len(places)] = places


def store_alternating(elements: Any, offset: int, first: Any, even: Any, odd: Any) -> None:
    """Write `even` and `odd` in turn to thirty-two int32 or uint16 elements, from place `first` on.

    `first` is even; the elements before it are left as they are.
    """
    elements[offset + first : offset + TWIN : 2] = even
    elements[offset + first + 1 : offset + TWIN : 2] = odd


def store(elements: Any, offset: int, value: Any) -> None:
    """Write sixteen int32 neurons to int64, int32 or int16 elements (the caller knows that they fit)."""
    elements[offset : offset + WIDTH] = value


def add_wide(elements: Any, offset: int, value: Any) -> None:
    """Add sixteen int32 neurons to int64 elements."""
    elements[offset : offset + WIDTH] += value


def _elements(array: types.Array) -> types.CPointer:
    if array.layout != "C":
        raise TypingError(f"a pointer to {array}: only an array in C order lies as kernels read it")
    return types.CPointer(array.dtype)


@_compiled(pointer, types.Array, _elements)
@_compiled(pointer_past, types.Array, _elements)
def _pointer(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return context.make_array(sig.args[0])(context, builder, args[0]).data


@_compiled(pointer, types.CPointer, lambda elements: elements)
def _pointer_already(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return args[0]


@_compiled(pointer_to_halves, types.Array, types.CPointer(types.uint16))
@_compiled(pointer_to_bytes, types.Array, types.CPointer(types.uint8))
def _pointer_to_parts(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    part = ir.IntType(sig.return_type.dtype.bitwidth).as_pointer()
    return builder.bitcast(_pointer(context, builder, sig, args), part)


def _address(builder: Any, elements: Any, offset: Any, bits: int, count: int) -> Any:
    vector = ir.VectorType(ir.IntType(bits), count)
    return builder.bitcast(builder.gep(elements, [offset]), vector.as_pointer())


def _load(lanes: LanesType) -> Codegen:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = sig.args[0].dtype.bitwidth
        elements, offset = args
        value = builder.load(_address(builder, elements, offset, bits, lanes.count))
        value.align = bits // 8
        return value if bits == lanes.bits else builder.sext(value, lanes.vector)

    return codegen


@_compiled(load_bits, types.CPointer, types.intp, types.uint64)
def _load_bits(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    words, place = args
    long = place.type
    bytes_ = builder.bitcast(words, ir.IntType(8).as_pointer())
    address = builder.gep(bytes_, [builder.lshr(place, ir.Constant(long, 3))])
    value = builder.load(builder.bitcast(address, ir.IntType(64).as_pointer()))
    value.align = 1
    return builder.lshr(value, builder.and_(place, ir.Constant(long, 7)))


_compiled(load, types.CPointer, types.intp, NEURONS)(_load(NEURONS))
_compiled(load_shorts, types.CPointer, types.intp, SHORTS)(_load(SHORTS))
_compiled(load_twins, types.CPointer, types.intp, TWINS)(_load(TWINS))
_compiled(load_words, types.CPointer, types.intp, SPIKE_WORDS)(_load(SPIKE_WORDS))


def _store(lanes: LanesType) -> Codegen:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = sig.args[0].dtype.bitwidth
        elements, offset, value = args
        stored = ir.VectorType(ir.IntType(bits), lanes.count)
        if bits != lanes.bits:
            value = (builder.trunc if bits < lanes.bits else builder.sext)(value, stored)
        address = _address(builder, elements, offset, bits, lanes.count)
        builder.store(value, address).align = bits // 8
        return context.get_dummy_value()

    return codegen


_compiled(store, types.CPointer, types.intp, NEURONS, types.void)(_store(NEURONS))
_compiled(store_twins, types.CPointer, types.intp, TWINS, types.void)(_store(TWINS))


@_compiled(add_wide, types.CPointer, types.intp, NEURONS, types.void)
def _add_wide(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    elements, offset, value = args
    address = _address(builder, elements, offset, 64, WIDTH)
    before = builder.load(address)
    before.align = 8
    added = builder.sext(value, ir.VectorType(ir.IntType(64), WIDTH))
    builder.store(builder.add(before, added), address).align = 8
    return context.get_dummy_value()


_compiled(store_words, types.CPointer, types.intp, SPIKE_WORDS, types.void)(_store(SPIKE_WORDS))


@_compiled(
    store_alternating, types.CPointer, types.intp, types.intp, types.int64, types.int64, types.void
)
def _store_alternating(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    elements, offset, first, even, odd = args
    kind = ir.IntType(sig.args[0].dtype.bitwidth)
    two = ir.Constant(ir.VectorType(kind, 2), ir.Undefined)
    for place, value in enumerate((even, odd)):
        part = builder.trunc(value, kind)
        two = builder.insert_element(two, part, ir.Constant(ir.IntType(32), place))
    order = ir.Constant(ir.VectorType(ir.IntType(32), TWIN), [place % 2 for place in range(TWIN)])
    value = builder.shuffle_vector(two, two, order)
    number = ir.IntType(32)
    begin = _broadcast(builder, builder.trunc(first, number), TWIN)
    places = ir.Constant(ir.VectorType(number, TWIN), list(range(TWIN)))
    mask = builder.icmp_signed(">=", places, begin)
    _store_where(builder, mask, value, _address(builder, elements, offset, kind.width, TWIN))
    return context.get_dummy_value()


@_compiled(store_places, types.CPointer, types.intp, types.uint64, types.int64, types.void)
def _store_places(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    elements, offset, word, first = args
    long, kind = ir.IntType(64), NEURONS.vector
    mask = ir.VectorType(ir.IntType(1), WIDTH)
    name = f"llvm.experimental.vector.compress.v{WIDTH}i32"
    wanted = ir.FunctionType(kind, [kind, mask, kind])
    compress = cgutils.get_or_insert_function(builder.module, wanted, name)
    start = _broadcast(builder, builder.trunc(first, ir.IntType(32)), WIDTH)
    for part in range(0, 64, WIDTH):
        places = builder.add(start, ir.Constant(kind, list(range(part, part + WIDTH))))
        shifted = builder.lshr(word, ir.Constant(long, part))
        bits = builder.trunc(shifted, ir.IntType(WIDTH))
        ones = builder.bitcast(bits, mask)
        found = builder.call(compress, [places, ones, ir.Constant(kind, ir.Undefined)])
        builder.store(found, _address(builder, elements, offset, 32, WIDTH)).align = 4
        offset = builder.add(offset, builder.zext(builder.ctpop(bits), long))
    return context.get_dummy_value()


@_compiled(
    store_interleaved, types.CPointer, types.intp, SPIKE_WORDS, SPIKE_WORDS, types.int64, types.void
)
def _store_interleaved(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    elements, offset, even, odd, most = args
    order = [place // 2 + WORDS * (place % 2) for place in range(2 * WORDS)]
    both = builder.shuffle_vector(
        even, odd, ir.Constant(ir.VectorType(ir.IntType(32), 2 * WORDS), order)
    )
    places = ir.Constant(ir.VectorType(ir.IntType(64), 2 * WORDS), list(range(2 * WORDS)))
    mask = builder.icmp_signed("<", places, _broadcast(builder, most, 2 * WORDS))
    _store_where(builder, mask, both, _address(builder, elements, offset, 64, 2 * WORDS))
    return context.get_dummy_value()


def _store_where(builder: Any, mask: Any, value: Any, address: Any) -> None:
    """Store the lanes that `mask` has; memory of the others is not touched."""
    number, bits, count = ir.IntType(32), value.type.element.width, value.type.count
    wanted = ir.FunctionType(ir.VoidType(), [value.type, address.type, number, mask.type])
    name = f"llvm.masked.store.v{count}i{bits}.p0"
    store = cgutils.get_or_insert_function(builder.module, wanted, name)
    builder.call(store, [value, address, ir.Constant(number, bits // 8), mask])


# --- lanes from and to scalars -----------------------------------------------------------------


def splat(scalar: int) -> Any:
    """The same int32 in every lane."""
    return np.full(WIDTH, scalar, np.int32)


def spread(scalar: Any, like: Any) -> Any:
    """The scalar in every lane where `like` is sixteen int32; the scalar itself where it is an integer."""
    return np.full_like(like, scalar) if isinstance(like, np.ndarray) else scalar


def splat_words(scalar: Any) -> Any:
    """The same uint64 in every word."""
    return np.full(WORDS, scalar, np.uint64)


def lane_index() -> Any:
    """0, 1, ... 15."""
    return np.arange(WIDTH, dtype=np.int32)


def word_index() -> Any:
    """0, 1, ... 7, as uint64."""
    return np.arange(WORDS, dtype=np.uint64)


def no_shorts() -> Any:
    """0 in sixteen int16."""
    return np.zeros(WIDTH, np.int16)


def no_twins() -> Any:
    """0 in thirty-two int16."""
    return np.zeros(TWIN, np.int16)


def widen(shorts: Any) -> Any:
    """The same numbers as int32."""
    return shorts.astype(np.int32)


def widen_first(twins: Any) -> Any:
    """The first sixteen of thirty-two int16, as int32."""
    return twins[:WIDTH].astype(np.int32)


def widen_second(twins: Any) -> Any:
    """The last sixteen of thirty-two int16, as int32."""
    return twins[WIDTH:].astype(np.int32)


def shift_twins_right(twins: Any, bits: int) -> Any:
    """Shift of thirty-two uint16, zeros from above, all by `bits`."""
    return (twins.view(np.uint16) >> np.uint16(bits)).view(np.int16)


def permute(value: Any, places: Any) -> Any:
    """Of sixteen int32, those at the lowest four bits of each of sixteen places."""
    return value[places & (WIDTH - 1)]


def look_up(table: Any, places: Any) -> Any:
    """Of thirty-two int16, those at the lowest five bits of each of thirty-two places."""
    return table[places & (TWIN - 1)]


def look_up_in_two(first: Any, second: Any, places: Any) -> Any:
    """`look_up` in two tables, by the lowest six bits."""
    return np.concatenate([first, second])[places & (2 * TWIN - 1)]


def shift_right(value: Any, bits: Any) -> Any:
    """Arithmetic shift of every lane, by the lanes of `bits`; or of an integer."""
    return value >> bits


def shift_right_unsigned(value: Any, bits: Any) -> Any:
    """Shift of every int32 lane, zeros from above, by the lanes of `bits` (0..31)."""
    return (value.view(np.uint32) >> bits.view(np.uint32)).view(np.int32)


def shift_words_right(words: Any, bits: Any) -> Any:
    """Shift of every word, zeros from above, by the words of `bits`."""
    return words >> bits


def shift_words_left(words: Any, bits: Any) -> Any:
    """Shift of every word, by the words of `bits`."""
    return words << bits


def select(spikes: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes that spike, `no` in the others; or one of two integers."""
    return np.where(spikes, yes, no)[()]


def spike_bits(spikes: Any) -> Any:
    """uint16: bit k is lane k's comparison."""
    return np.packbits(spikes, bitorder="little").view(np.uint16)[0]


def spikes_of(bits: Any) -> Any:
    """The inverse of `spike_bits`: lane k spikes where bit k of a uint16 is set."""
    return np.unpackbits(np.array([bits], np.uint16).view(np.uint8), bitorder="little").astype(bool)


def popcounts(words: Any) -> Any:
    """Ones in each word of spikes, or in each of thirty-two int16."""
    return np.bitwise_count(words.view(f"u{words.itemsize}")).astype(words.dtype)


def total(words: Any) -> Any:
    """Sum over the words, or over sixteen int32 (which fits 32 bits), as signed numbers."""
    return int(words.view(f"i{words.itemsize}").sum(dtype=np.int64))


def greatest(value: Any) -> int:
    """The largest of sixteen int32."""
    return int(value.max())


def popcount(word: Any) -> int:
    """Ones in a 64-bit word."""
    return int(word).bit_count()


def bit_length(word: Any) -> int:
    """Place of the highest one of a 64-bit word, counted from 1; 0 for the word 0."""
    return int(word).bit_length()


def without_lowest(word: Any) -> Any:
    """The word with its lowest one cleared; 0 stays 0."""
    return np.uint64(int(word) & max(int(word) - 1, 0))


def trailing_zeros(word: Any) -> int:
    """Zeros below the lowest one; 64 for the word 0."""
    word = int(word)
    return (word & -word).bit_length() - 1 if word else 64


def _broadcast(builder: Any, scalar: Any, count: int) -> Any:
    empty = ir.Constant(ir.VectorType(scalar.type, count), ir.Undefined)
    first = builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
    places = ir.Constant(ir.VectorType(ir.IntType(32), count), None)
    return builder.shuffle_vector(first, first, places)


def _splat(lanes: LanesType) -> Codegen:
    return lambda context, builder, sig, args: _broadcast(builder, args[0], lanes.count)


_compiled(splat, types.int32, NEURONS)(_splat(NEURONS))
_compiled(spread, types.int32, NEURONS, NEURONS)(_splat(NEURONS))
_compiled(spread, types.int64, types.int64, types.int64)(
    lambda context, builder, sig, args: args[0]
)
_compiled(splat_words, types.uint64, SPIKE_WORDS)(_splat(SPIKE_WORDS))


def _numbered(lanes: LanesType) -> Codegen:
    return lambda context, builder, sig, args: ir.Constant(lanes.vector, list(range(lanes.count)))


_compiled(lane_index, NEURONS)(_numbered(NEURONS))
_compiled(word_index, SPIKE_WORDS)(_numbered(SPIKE_WORDS))


def _none(lanes: LanesType) -> Codegen:
    return lambda context, builder, sig, args: ir.Constant(lanes.vector, None)


_compiled(no_shorts, SHORTS)(_none(SHORTS))
_compiled(no_twins, TWINS)(_none(TWINS))


@_compiled(widen, SHORTS, NEURONS)
def _widen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.sext(args[0], NEURONS.vector)


def _widen_from(first: int) -> Codegen:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        places = ir.Constant(
            ir.VectorType(ir.IntType(32), WIDTH), list(range(first, first + WIDTH))
        )
        half = builder.shuffle_vector(args[0], ir.Constant(TWINS.vector, ir.Undefined), places)
        return builder.sext(half, NEURONS.vector)

    return codegen


_compiled(widen_first, TWINS, NEURONS)(_widen_from(0))
_compiled(widen_second, TWINS, NEURONS)(_widen_from(WIDTH))


@_compiled(shift_words_right, SPIKE_WORDS, SPIKE_WORDS, SPIKE_WORDS)
def _shift_words_right(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.lshr(*args)


@_compiled(shift_words_left, SPIKE_WORDS, SPIKE_WORDS, SPIKE_WORDS)
def _shift_words_left(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.shl(*args)


@_compiled(shift_right_unsigned, NEURONS, NEURONS, NEURONS)
def _shift_right_unsigned(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.lshr(*args)


@_compiled(shift_twins_right, TWINS, types.intp, TWINS)
def _shift_twins_right(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    bits = builder.trunc(args[1], ir.IntType(TWINS.bits))
    return builder.lshr(args[0], _broadcast(builder, bits, TWIN))


@_compiled(permute, NEURONS, NEURONS, NEURONS)
@_compiled(look_up, TWINS, TWINS, TWINS)
def _look_up(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _permute(builder, args[0], args[1])


@_compiled(look_up_in_two, TWINS, TWINS, TWINS, TWINS)
def _look_up_in_two(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    first, second, places = args
    if LOOKS_UP:
        kind = ir.FunctionType(TWINS.vector, [TWINS.vector] * 3)
        name = "llvm.x86.avx512.vpermi2var.hi.512"
        called = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(called, [first, places, second])
    above = builder.and_(places, ir.Constant(TWINS.vector, [TWIN] * TWIN))
    in_second = builder.icmp_signed("!=", above, ir.Constant(TWINS.vector, None))
    return builder.select(
        in_second, _permute(builder, second, places), _permute(builder, first, places)
    )


def _permute(builder: Any, table: Any, places: Any) -> Any:
    kind, count = table.type, table.type.count
    if LOOKS_UP:
        wanted = ir.FunctionType(kind, [kind, kind])
        size = "hi" if kind.element.width == TWINS.bits else "si"
        name = f"llvm.x86.avx512.permvar.{size}.512"
        called = cgutils.get_or_insert_function(builder.module, wanted, name)
        return builder.call(called, [table, places])
    places = builder.and_(places, ir.Constant(kind, [count - 1] * count))
    result = ir.Constant(kind, ir.Undefined)
    for lane in range(count):
        here = ir.Constant(ir.IntType(32), lane)
        found = builder.extract_element(table, builder.extract_element(places, here))
        result = builder.insert_element(result, found, here)
    return result


@_compiled(shift_right, types.int64, types.int64, types.int64)
@_compiled(shift_right, NEURONS, NEURONS, NEURONS)
def _shift_right(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.ashr(*args)


@_compiled(select, types.boolean, types.int64, types.int64, types.int64)
@_compiled(select, SPIKES, NEURONS, NEURONS, NEURONS)
def _select(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.select(*args)


@_compiled(spike_bits, SPIKES, types.uint16)
def _spike_bits(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.bitcast(args[0], ir.IntType(WIDTH))


@_compiled(spikes_of, types.uint16, SPIKES)
def _spikes_of(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.bitcast(args[0], SPIKES.vector)


def _counts(lanes: LanesType) -> Codegen:
    name = f"llvm.ctpop.v{lanes.count}i{lanes.bits}"
    return lambda context, builder, sig, args: _llvm(builder, name, lanes.vector, args[0])


_compiled(popcounts, SPIKE_WORDS, SPIKE_WORDS)(_counts(SPIKE_WORDS))
_compiled(popcounts, TWINS, TWINS)(_counts(TWINS))


def _totals(lanes: LanesType) -> Codegen:
    name = f"llvm.vector.reduce.add.v{lanes.count}i{lanes.bits}"

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result = _llvm(builder, name, ir.IntType(lanes.bits), args[0])
        return builder.sext(result, ir.IntType(64)) if lanes.bits < 64 else result

    return codegen


_compiled(total, SPIKE_WORDS, types.int64)(_totals(SPIKE_WORDS))
_compiled(total, NEURONS, types.int64)(_totals(NEURONS))


@_compiled(greatest, NEURONS, types.int64)
def _greatest(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    name = f"llvm.vector.reduce.smax.v{WIDTH}i32"
    return builder.sext(_llvm(builder, name, ir.IntType(32), args[0]), ir.IntType(64))


@_compiled(popcount, types.uint64, types.int64)
def _popcount(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.ctpop(args[0])


@_compiled(trailing_zeros, types.uint64, types.int64)
def _trailing_zeros(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))


@_compiled(bit_length, types.uint64, types.int64)
def _bit_length(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    zeros = builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))
    return builder.sub(ir.Constant(ir.IntType(64), 64), zeros)


@_compiled(without_lowest, types.uint64, types.uint64)
def _without_lowest(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.and_(args[0], builder.sub(args[0], ir.Constant(ir.IntType(64), 1)))

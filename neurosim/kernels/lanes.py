"""How does a kernel say "these sixteen neurons at once"?

A `Lanes` value is one machine vector: sixteen int32 (neurons) or eight uint64 (words of spikes).
Left to itself the compiler promotes int32 to int64, checks every pair of arrays for overlap and
keeps membranes in memory; written with lanes, a membrane stays in a register over all time steps
and comparison gives sixteen spike bits in one instruction. Any processor runs the same code: a
vector wider than its registers is split.

Uncompiled, lanes are small NumPy arrays and give the same bits, so that a kernel's `py_func` can
be stepped through. `array` is always C-contiguous and `offset` counts its elements from the start.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.extending import (
    intrinsic,
    lower_builtin,
    overload,
    register_model,
)
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

WIDTH = 16
"""Neurons in one value: 16 x 32 bits fill the widest registers there are (512 bits)."""
WORDS = 8
"""Words of spikes in one value: 8 x 64 bits."""


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
SPIKES = LanesType(1, WIDTH)
SPIKE_WORDS = LanesType(64, WORDS)


# --- operators: + - * & | ^ of two values, > < != giving spikes --------------------------------


def _binary(symbol: Callable[..., Any], emit: str, result: LanesType | None, *extra: str) -> None:
    @infer_global(symbol)
    class _Typing(AbstractTemplate):  # numba keeps it by registering it
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], LanesType) and args[0] == args[1]:
                return signature(result or args[0], *args)
            return None

    @lower_builtin(symbol, LanesType, LanesType)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, emit)(*extra, *args)


for _symbol, _emit in (
    (operator.add, "add"),
    (operator.sub, "sub"),
    (operator.mul, "mul"),
    (operator.and_, "and_"),
    (operator.or_, "or_"),
    (operator.xor, "xor"),
):
    _binary(_symbol, _emit, None)
_binary(operator.gt, "icmp_signed", SPIKES, ">")
_binary(operator.lt, "icmp_signed", SPIKES, "<")
_binary(operator.ne, "icmp_signed", SPIKES, "!=")


# --- memory ------------------------------------------------------------------------------------


def _address(context: Any, builder: Any, array: Any, offset: Any, kind: Any, count: int) -> Any:
    """Pointer to a vector of `count` elements of the array, which starts at `offset`."""
    data = context.make_array(kind)(context, builder, array).data
    vector = ir.VectorType(ir.IntType(kind.dtype.bitwidth), count)
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())


def _loader(lanes: LanesType) -> Any:
    @intrinsic
    def load(typingctx: Any, array: Any, offset: Any) -> Any:
        bits = array.dtype.bitwidth

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            address = _address(context, builder, *args, sig.args[0], lanes.count)
            value = builder.load(address)
            value.align = bits // 8
            return value if bits == lanes.bits else builder.sext(value, lanes.vector)

        return lanes(array, types.intp), codegen

    return load


_load_neurons = _loader(NEURONS)
_load_words = _loader(SPIKE_WORDS)


@intrinsic
def _store(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = _address(context, builder, *args[:2], sig.args[0], value.count)
        builder.store(args[2], address).align = value.bits // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


def load(array: Any, offset: int) -> Any:
    """Sixteen int32 neurons from an int8, int16 or int32 array (sign kept)."""
    return array.reshape(-1)[offset : offset + WIDTH].astype(np.int32)


def load_words(array: Any, offset: int) -> Any:
    """Eight words of spikes from a uint64 array."""
    return array.reshape(-1)[offset : offset + WORDS].copy()


def store(array: Any, offset: int, value: Any) -> None:
    """Write sixteen int32 neurons to an int32 array."""
    array.reshape(-1)[offset : offset + WIDTH] = value


@overload(load, inline="always")
def _load_compiled(array, offset):
    return lambda array, offset: _load_neurons(array, offset)


@overload(load_words, inline="always")
def _load_words_compiled(array, offset):
    return lambda array, offset: _load_words(array, offset)


@overload(store, inline="always")
def _store_compiled(array, offset, value):
    return lambda array, offset, value: _store(array, offset, value)


# --- from and to scalars -----------------------------------------------------------------------


def _llvm(builder: Any, name: str, result: Any, argument: Any) -> Any:
    """Call an LLVM intrinsic of one argument."""
    kind = ir.FunctionType(result, [argument.type])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [argument])


@intrinsic
def _splat(typingctx: Any, scalar: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = context.cast(builder, args[0], sig.args[0], types.int32)
        lanes = builder.insert_element(
            ir.Constant(NEURONS.vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), None)
        return builder.shuffle_vector(lanes, lanes, zeros)

    return NEURONS(scalar), codegen


@intrinsic
def _shift_right(typingctx: Any, value: Any, bits: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ashr(args[0], args[1])

    return NEURONS(NEURONS, NEURONS), codegen


@intrinsic
def _select(typingctx: Any, spikes: Any, yes: Any, no: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return yes(spikes, yes, no), codegen


@intrinsic
def _spike_bits(typingctx: Any, spikes: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(WIDTH))

    return types.uint16(spikes), codegen


@intrinsic
def _popcounts(typingctx: Any, words: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = SPIKE_WORDS.vector
        return _llvm(builder, f"llvm.ctpop.v{WORDS}i64", vector, args[0])

    return words(words), codegen


@intrinsic
def _total(typingctx: Any, words: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _llvm(builder, f"llvm.vector.reduce.add.v{WORDS}i64", ir.IntType(64), args[0])

    return types.int64(words), codegen


def splat(scalar: int) -> Any:
    """The same int32 in every lane."""
    return np.full(WIDTH, scalar, np.int32)


def shift_right(value: Any, bits: Any) -> Any:
    """Arithmetic shift of every lane, by the lanes of `bits`."""
    return value >> bits


def select(spikes: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes that spike, `no` in the others."""
    return np.where(spikes, yes, no)


def spike_bits(spikes: Any) -> Any:
    """uint16: bit k is lane k's comparison."""
    return np.packbits(spikes, bitorder="little").view(np.uint16)[0]


def popcounts(words: Any) -> Any:
    """Ones in each word."""
    return np.bitwise_count(words).astype(np.uint64)


def total(words: Any) -> Any:
    """Sum over the words."""
    return int(words.sum())


@overload(splat, inline="always")
def _splat_compiled(scalar):
    return lambda scalar: _splat(scalar)


@overload(shift_right, inline="always")
def _shift_right_compiled(value, bits):
    return lambda value, bits: _shift_right(value, bits)


@overload(select, inline="always")
def _select_compiled(spikes, yes, no):
    return lambda spikes, yes, no: _select(spikes, yes, no)


@overload(spike_bits, inline="always")
def _spike_bits_compiled(spikes):
    return lambda spikes: _spike_bits(spikes)


@overload(popcounts, inline="always")
def _popcounts_compiled(words):
    return lambda words: _popcounts(words)


@overload(total, inline="always")
def _total_compiled(words):
    return lambda words: _total(words)


# --- one word ----------------------------------------------------------------------------------


@intrinsic
def _popcount(typingctx: Any, word: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), codegen


@intrinsic
def _trailing_zeros(typingctx: Any, word: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


def popcount(word: Any) -> int:
    """Ones in a 64-bit word."""
    return int(word).bit_count()


def trailing_zeros(word: Any) -> int:
    """Zeros below the lowest one; 64 for the word 0."""
    word = int(word)
    return (word & -word).bit_length() - 1 if word else 64


@overload(popcount, inline="always")
def _popcount_compiled(word):
    return lambda word: _popcount(word)


@overload(trailing_zeros, inline="always")
def _trailing_zeros_compiled(word):
    return lambda word: _trailing_zeros(word)

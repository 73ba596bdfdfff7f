"""Random generator: the bits of Philox4x32-10, and no stream shared by two uses."""

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from neurosim.kernels import generator
from neurosim.kernels.noise import weight_noise

KNOWN = [
    ((0,) * 4, (0,) * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
"""Random123's kat_vectors, as docs/eggroll.md section 5 has them."""
WAYS = {
    "compiled": generator.philox4x32,
    "py_func": generator.philox4x32.py_func,
    "naive": lambda *words: naive.philox4x32(words[:4], words[4:]),
}
FIELDS = st.builds(
    naive.Field,
    st.integers(0, 8),
    st.integers(0, 0xFFFF),
    strategies.WORDS32,
    strategies.WORDS32,
    strategies.SEEDS,
)


def of_kernels(field):
    """A field as the kernels take it."""
    return generator.Field(*field[:4], np.uint64(field.seed))


def drawn(field, first=0, count=4, by=generator.draw_words):
    out = np.zeros(count, np.uint64)
    by(out, 0, first, count, of_kernels(field))
    return out.tolist()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(way, counter, key, answer):
    if way != "naive":
        counter, key = np.array(counter, np.uint64), np.array(key, np.uint64)
    words = WAYS[way](*counter, *key)
    assert " ".join(f"{int(word):08x}" for word in words) == answer


@given(st.tuples(*[strategies.WORDS32] * 6))
def test_naive_is_py_func_is_compiled(words):
    unsigned = [np.uint64(word) for word in words]
    answers = [tuple(map(int, way(*unsigned))) for way in list(WAYS.values())[:2]]
    assert answers == [naive.philox4x32(words[:4], words[4:])] * 2


@given(FIELDS, st.integers(0, 1 << 20), st.integers(0, 40))
def test_words_are_those_of_the_named_counter(field, block, count):
    wanted = [naive.word(field, 2 * block + index) for index in range(count)]
    assert drawn(field, 2 * block, count) == wanted
    few = wanted[:2]  # more are drawn in lanes, which py_func cannot (test_uncompiled.py)
    assert drawn(field, 2 * block, len(few), generator.draw_words.py_func) == few


@given(FIELDS, st.integers(1, 12))
def test_same_counter_same_bits(field, count):
    assert drawn(field, 0, count) == drawn(field, 0, count)


@given(FIELDS, st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_chunks_change_nothing(field, blocks):
    whole = drawn(field, 0, 2 * sum(blocks))
    parts, begin = [], 0
    for count in blocks:
        parts += drawn(field, 2 * begin, 2 * count)
        begin += count
    assert parts == whole


@given(FIELDS, FIELDS, st.sets(st.sampled_from(naive.Field._fields), min_size=1))
def test_fields_that_differ_share_no_noise(one, other, differing):
    """Every field of the counter counts, whichever others agree."""
    other = one._replace(**{name: getattr(other, name) for name in differing})
    if one != other:
        assert not set(drawn(one, 0, 16)) & set(drawn(other, 0, 16))


def test_interleaved_counters_never_meet():
    """Generations, pairs, layers, streams and blocks as a run uses them: no 64-bit word comes twice."""
    seen = [
        word
        for generation in range(4)
        for pair in range(8)
        for layer in range(3)
        for stream in range(9)
        for word in drawn(naive.Field(stream, layer, pair, generation, 7), 0, 20)
    ]
    assert len(set(seen)) == len(seen) == 4 * 8 * 3 * 9 * 20


def test_seeds_that_differ_in_one_bit_share_no_noise():
    runs = [drawn(naive.Field(1, 0, 0, 0, 1 << bit), 0, 16) for bit in range(64)]
    assert len({word for run in runs for word in run}) == 64 * 16


@given(FIELDS, st.integers(0, 20))
def test_blocks_fill_an_array_whole(field, count):
    for by in (generator.draw_blocks, generator.draw_blocks.py_func):
        out = np.zeros(count + 2, np.uint64)
        by(out[:count], *field[:4], np.uint64(field.seed))
        assert out.tolist() == [*drawn(field, 0, count), 0, 0]


# --- noise numbers -------------------------------------------------------------------------------


@given(FIELDS, st.integers(1, 130), st.sampled_from([2, 8, 16]), st.integers(0, 20), st.booleans())
def test_noise_numbers_naive_is_py_func_is_compiled(field, count, words, component, graded):
    count = min(count, 64 * words)
    wanted = naive.numbers(field, count, words, component, graded)
    planes = np.zeros(weight_noise.noise_words(words, graded), np.uint64)
    for draw in (weight_noise.draw_noise, weight_noise.draw_noise.py_func):
        planes[:] = np.uint64(0xABCDEF)
        draw(planes, 0, words, 0, words, component, graded, of_kernels(field))
        for number in (weight_noise.noise_number, weight_noise.noise_number.py_func):
            assert [
                int(number(planes, 0, words, index, graded)) for index in range(count)
            ] == wanted


@given(FIELDS, st.integers(0, 3), st.integers(1, 2), st.booleans())
def test_part_of_a_noise_field_is_that_part_of_the_whole(field, begin, blocks, graded):
    def planes(first, count):
        out = np.zeros(weight_noise.noise_words(count, graded), np.uint64)
        weight_noise.draw_noise(out, 0, 8, first, count, 3, graded, of_kernels(field))
        used = int(weight_noise.planes_of(graded))
        return out[: used * count].reshape(used, count)

    begin, count = 2 * begin, 2 * min(blocks, 4 - begin)
    assert np.array_equal(planes(begin, count), planes(0, 8)[:, begin : begin + count])


@pytest.mark.parametrize(("graded", "size", "square"), [(False, 1, 1), (True, 8, 4)])
def test_noise_numbers_have_their_mean_and_spread(graded, size, square):
    """Mean 0 and variance 1, or 4 where graded: within five standard errors of 20,000 numbers."""
    count = 20_000
    numbers = naive.numbers(naive.Field(1, 0, 3, 4, 5), count, 320, 0, graded)
    assert max(map(abs, numbers)) <= size
    assert abs(sum(numbers)) ** 2 < 25 * square * count
    fourth = 3 * square**2
    assert abs(sum(number**2 for number in numbers) - square * count) ** 2 <= 25 * fourth * count

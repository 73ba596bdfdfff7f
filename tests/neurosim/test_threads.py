"""Divided loops: every piece is done exactly once, and errors come out."""

import threading

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.threads import PIECES, balanced, in_pieces, piece_of


@pytest.fixture(params=[1, numba.config.NUMBA_NUM_THREADS], ids="{} threads".format)
def threads(request):
    before = numba.get_num_threads()
    numba.set_num_threads(request.param)
    yield request.param
    numba.set_num_threads(before)


@given(count=st.integers(0, 200), piece=st.integers(1, 250))
def test_pieces_cover_everything_once(count, piece):
    done = []
    in_pieces(count, piece, lambda begin, end: done.append((begin, end)))
    assert [place for begin, end in sorted(done) for place in range(begin, end)] == list(
        range(count)
    )
    assert all(0 < end - begin <= piece for begin, end in done)


@given(count=st.integers(0, 5000), most=st.integers(1, 100))
def test_pieces_are_for_every_thread_and_none_too_large(count, most):
    piece, threads = piece_of(count, most), numba.get_num_threads()
    assert 1 <= piece <= most
    assert piece == 1 or -(-count // (piece - 1)) > threads * -(-count // (threads * most))


@given(count=st.integers(0, 5000), least=st.integers(1, 100))
def test_balanced_pieces_are_few_for_every_thread_and_none_too_small(count, least):
    piece, threads = balanced(count, least), numba.get_num_threads()
    assert piece >= least
    assert -(-count // piece) <= PIECES * threads
    assert piece == least or -(-count // (piece - 1)) > PIECES * threads


def test_a_thread_makes_its_scratch_once_and_shares_it_with_none(threads):
    used = {}

    def work(begin, end, scratch):
        used.setdefault(threading.get_ident(), set()).add(id(scratch))

    made = in_pieces(40, 1, work, object)
    assert 1 <= len(used) <= len(made) <= threads
    assert all(len(own) == 1 for own in used.values())
    assert len(set.union(*used.values())) == len(used)
    assert set.union(*used.values()) <= {id(one) for one in made}


def test_an_error_comes_out(threads):
    def work(begin, end):
        if begin == 6:
            raise ZeroDivisionError(begin)

    with pytest.raises(ZeroDivisionError):
        in_pieces(10, 2, work)


def test_no_more_threads_than_asked_for(threads):
    names = set()
    in_pieces(50, 1, lambda begin, end: names.add(threading.get_ident()))
    assert len(names) <= threads

"""Input that does not fit, by command: one message that names it and says what to do, and nothing done."""

import pytest
from command import SMALL, assert_refused, here

RUN_COMMANDS = (
    ("evaluate",),
    ("map",),
    ("run",),
    ("compare",),
    ("report",),
    ("export", "--to", "nir"),
    ("train", "--resume"),
    ("train", "--start"),
)


@pytest.mark.parametrize("words", RUN_COMMANDS, ids=" ".join)
def test_a_file_in_place_of_a_run_is_named_as_one(tmp_path, words):
    file = tmp_path / "file"
    file.touch()
    name, *flags = words
    arguments = (name, file, *flags) if flags[:1] == ["--to"] else (*words, file)
    done = here(*arguments)
    assert done.returncode == 1
    assert "is a file; needed is the folder of a run" in done.stderr
    assert "Errno" not in done.stderr


def test_a_missing_option_is_named():
    assert_refused(here("export", "runs/any"), 2, "--to is missing")


def test_a_file_that_is_no_graph_is_refused_in_words_of_our_own(tmp_path):
    for content in (b"", b"odd", bytes(5000)):
        (tmp_path / "odd.nir").write_bytes(content)
        done = here("import", tmp_path / "odd.nir")
        assert_refused(done, 1, "odd.nir", "it is no HDF5 file")


def test_a_recipe_for_a_run_that_goes_on_is_refused(done):
    refused = here("train", "--resume", done[1], "--recipe", "fast")
    assert_refused(refused, 2, "leave out --recipe fast", f"--start {done[1]}")


def test_float_training_is_refused_before_it_begins_where_it_cannot_be_kept(done, tmp_path):
    pytest.importorskip("torch", reason='needs the extra "reference" (torch)')
    file = tmp_path / "file"
    file.touch()
    for folder, named in ((done[1], "run of another command"), (file, "is a file")):
        refused = here("bptt", "--run", folder, "--epochs", 1, "--samples", 10)
        assert_refused(refused, 1, folder, named)
        assert "epoch" not in refused.stderr
    assert not (done[1] / "bptt.safetensors").exists()
    assert_refused(here("quantise", done[1]), 1, "a folder of its own")


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        ("conv 4 99x99", ("layer 1", "(99, 99)", "up to 34", "smaller window")),
        ("conv 4 3x3 stride 90", ("layer 1", "stride (90, 90)", "smaller stride")),
        ("conv 4 3x3 pad 99", ("layer 1", "padding 99", "0..2")),
        ("pool 50", ("layer 1", "(50, 50)", "smaller window")),
        ("dense 8, conv 4 3x3", ("layer 2", "needs a map", "before dense layers")),
        ("dense 8 delay 99", ("layer 1", "delay is 99", "0..62")),
        ("convv 4 3x3", ("layer 1", "'convv 4 3x3'", "conv CHANNELS")),
        ("dense 12 adptive", ("layer 1", "'adptive'", "adaptive")),
    ],
)
def test_layers_that_cannot_be_are_refused_by_their_number(tmp_path, layers, named):
    flags = [word for word in SMALL if word not in ("--hidden", "20")]
    done = here("train", *flags, "--layers", layers, "--run", tmp_path / "run")
    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stderr
    for one in named:
        assert one in done.stderr
    assert not (tmp_path / "run").exists()

"""A list of runs, runs side by side, completion, and how commands are found."""

import json
import subprocess
import sys

import command
import pytest
from command import SMALL, assert_refused

from learning.recipes import RECIPES
from neurosim.app.cli import COMMANDS, GROUPS
from neurosim.app.cli.runs import recipe_of


@pytest.fixture(scope="module")
def two(done, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    for name, seed in (("one", 1), ("two", 2)):
        command.results("train", *SMALL, "--seed", seed, "--run", folder / name)
    return folder


def test_runs_are_listed_with_data_recipe_accuracy_and_date(two):
    listed = command.here("runs", two)
    assert listed.returncode == 0
    head, *rows = listed.stdout.splitlines()
    assert head.split() == ["run", "data", "recipe", "generation", "accuracy", "date"]
    assert len(rows) == 2
    assert all("digits" in row and "eggroll + " in row and " %" in row for row in rows)
    found = json.loads(command.here("runs", two, "--json").stdout)["runs"]
    assert {one["settings"]["seed"] for one in found} == {1, 2}


def test_two_runs_stand_side_by_side_with_what_differs(two):
    shown = command.here("runs", two / "one", two / "two").stdout
    assert "test accuracy (95 %)" in shown
    differing = shown.split("settings that differ")[1].split()
    assert differing == ["seed", "1", "2"]


def test_a_folder_without_runs_says_so(tmp_path):
    assert "no runs in" in command.here("runs", tmp_path).stdout
    assert_refused(command.here("runs", tmp_path / "none"), 1, "is no folder")
    assert_refused(command.here("runs", tmp_path, tmp_path), 1, "config.json is missing")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_recognised(name):
    settings = RECIPES[name][1]
    assert recipe_of(settings.model_copy(update={"seed": 5, "generations": 7})) == name
    assert recipe_of(settings.model_copy(update={"dv": 401})) == f"{name} + 1"


# --- commands ------------------------------------------------------------------------------------


def test_help_groups_commands():
    shown = command.here("--help").stdout
    assert all(f"{group}:" in shown for group in GROUPS)
    assert all(len(line) <= 92 for line in shown.splitlines())
    assert command.here("help").stdout == shown


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_plain(name):
    shown = command.here(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"usage: neurosim {name} ")
    for never in ("{None}", "None|", "[[", "(default: None)", "╭", "\x1b"):
        assert never not in shown.stdout
    assert "--json" in shown.stdout


@pytest.mark.parametrize(
    ("given", "named"),
    [("trian", "did you mean train"), ("evalute", "evaluate"), ("xyzzy", "--help lists")],
)
def test_a_mistyped_command_is_told(given, named):
    assert_refused(command.here(given), 2, given, named)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--hidden", "0"), "--hidden is 0; allowed are values from 1"),
        (("--pool", "0"), "--pool is 0; allowed are values from 1"),
        (("--pairs", "1000"), "pairs 1000 cannot be divided among groups 1024"),
    ],
)
def test_faults_of_arguments_are_in_our_words(given, named):
    done = command.here("train", *given)
    assert_refused(done, 2, named)
    assert "validation" not in done.stderr
    assert "Value error" not in done.stderr


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("train --hiden 3", "no option --hiden; did you mean --hidden?"),
        ("train --hidden=12x", "--hidden is '12x'; needed is a whole number"),
        ("train --learning-rate abc", "--learning-rate is 'abc'; needed is a number"),
        ("train --camera nmist", "did you mean nmnist?"),
        ("train --json --recipe", "--recipe needs a value: settings to start from"),
        ("train --hidden 16 --json yes", "nothing is expected of yes"),
        ("train --json=yes", "--json takes no value"),
        ("evaluate --split test", "PATH is missing: run folder"),
        ("completion fish", "'fish'; allowed are bash, zsh"),
    ],
)
def test_a_mistyped_argument_is_told_in_our_words(given, named):
    done = command.here(*given.split())
    assert_refused(done, 2, named, f"{given.split()[0]} --help lists")
    assert "╭" not in done.stderr


def test_text_that_the_terminal_cannot_show_is_replaced():
    script = "from neurosim.app.cli import main; main(['--version']); print('5 \\u00b5J')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=command.environment(PYTHONIOENCODING="ascii"),
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "5 ?J")


def test_an_old_name_works_with_a_note():
    done = command.here("study", "--help")
    assert done.returncode == 0
    assert "is now ablation" in done.stderr


def test_completion_in_bash_offers_commands_and_options():
    script = command.here("completion", "bash").stdout
    ask = 'COMP_WORDS=(%s); COMP_CWORD=%d; _neurosim; echo "${COMPREPLY[@]}"'

    def offered(*words):
        code = f"{script}\n{ask % (' '.join(words), len(words) - 1)}"
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert offered("neurosim", "rep") == ["report", "reproduce"]
    assert offered("neurosim", "train", "--noise-w") == ["--noise-window"]
    assert command.here("completion", "zsh").stdout.endswith(script)

"""`neurosim report`: measured values, self-contained pages, escaped text."""

import json
import re
import types
from html.parser import HTMLParser

import command
import numpy as np
import pytest
from command import assert_refused
from hypothesis import given
from hypothesis import strategies as st

from learning.config import Config
from learning.record import CONFIG
from learning.run_folder import RunFolder
from learning.settings import Settings
from learning.training import Training, start
from neurosim.app.cli import evaluate
from neurosim.app.figures import svg
from neurosim.app.report import results
from neurosim.app.report.markup import element, join, table
from neurosim.data import datasets
from neurosim.network import Network, Population, Weights
from neurosim.population.state import state_of

VOID = ("meta", "br", "img", "input", "link")


class Page(HTMLParser):
    """What a browser finds: text, tags, attributes; a tag that is not closed in its turn is an error."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags, self.attributes, self._open = [], [], [], []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def said(self):
        return " ".join(" ".join(self.text).split())

    def values(self, name):
        return [value for _, attribute, value in self.attributes if attribute == name]


def assert_self_contained(page):
    """No script, and nothing to load: every reference stays in the page."""
    found = Page(page)
    assert not {"script", "link", "iframe", "object", "img"} & set(found.tags)
    assert found.values("src") == []
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    for reference in found.values("href"):
        assert reference.startswith("data:image/png;base64,") or reference[1:] in ids
    for reference in re.findall(r"url\(([^)]*)\)", page):
        assert reference[1:] in ids
    assert "@import" not in page
    return found


@pytest.fixture(scope="module")
def reported(done, tmp_path_factory):
    """What a process said, and its page."""
    page = tmp_path_factory.mktemp("report") / "page.html"
    return command.results("report", done[1], "--out", page), page.read_text()


def test_the_page_holds_what_was_measured(done, reported):
    summary, folder = done
    printed, page = reported
    assert printed["test_accuracy"] == summary["test_accuracy"]
    found = assert_self_contained(page)
    said = found.said()
    assert f"{100 * summary['test_accuracy']:.2f} %" in said
    assert summary["weights_sha256"] in said
    assert "All 6 generations are done" in said
    for name, value in json.loads((folder / CONFIG).read_text())["settings"].items():
        first = value[0] if isinstance(value, list) else value
        words = [text for of, text in ((None, "-"), (True, "yes"), (False, "no")) if first is of]
        assert f"{name} {words[0] if words else first}" in said
    for heading in ("Learning", "Confusion matrix", "Samples", "Energy", "Cores", "Settings"):
        assert heading in said
    for nothing in ("Beside the float reference", "Faults of the chip", "graph of layers"):
        assert nothing not in said


def test_every_drawing_says_what_it_shows(reported):
    found = Page(reported[1])
    assert found.tags.count("svg") == 9
    described = [
        value for tag, name, value in found.attributes if (tag, name) == ("svg", "aria-label")
    ]
    assert len(described) == 9
    assert all(len(text) > 30 for text in described)


def test_a_thousand_classes_have_a_row_each_and_no_matrix(capsys):
    """A matrix of a million cells is a page of 56 MB, which no browser shows at once."""
    names = tuple(str(number) for number in range(1000))
    confusion = np.diag(np.full(1000, 3))
    confusion[7, 8:13] = 2
    answers = types.SimpleNamespace(confusion=confusion, seen=types.SimpleNamespace(dead_classes=4))
    page = results.mistakes(types.SimpleNamespace(answers=answers, class_names=names, data="d"))
    assert len(page) < 200_000
    assert Page(page).tags.count("tr") == 1001
    assert "8 2, 9 2, 10 2" in page
    evaluate._show(confusion, names, "d")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1000
    assert max(map(len, lines)) < 200


def test_the_confusion_matrix_counts_every_sample(done, reported):
    evaluated = json.loads(command.here("evaluate", done[1], "--json").stdout)
    whole = re.search(r'<table class="confusion">.*?</table>', reported[1])[0]
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in whole.split("<tr>")[2:]]
    counted = [[0 if cell == "·" else int(cell) for cell in row[:-1]] for row in rows]
    assert counted == evaluated["confusion"]


def test_the_same_run_gives_the_same_page_beside_what_is_there(done, reported, tmp_path):
    before = {file.name: file.read_bytes() for file in done[1].iterdir() if file.is_file()}
    page = tmp_path / "again.html"
    assert command.here("report", done[1], "--out", page).returncode == 0
    assert page.read_text() == reported[1]
    assert {f.name: f.read_bytes() for f in done[1].iterdir() if f.is_file()} == before


def test_samples_are_drawn_as_wanted(done, tmp_path):
    page = tmp_path / "page.html"
    asked = command.here("report", done[1], "--out", page, "--sample", "7", "300")
    assert asked.returncode == 0
    said = assert_self_contained(page.read_text()).said()
    assert re.findall(r"Test sample (\d+):", said) == ["7", "300"]


def stopped(settings, data, path, generations):
    """A run that stopped after some generations."""
    with RunFolder.create(path, start(settings, data)) as folder:
        training = Training(folder.config, data, folder)
        training.run(lambda *_: None, lambda: training.generation == generations)


@pytest.mark.parametrize("generations", [0, 1, 3])
def test_a_run_that_is_not_finished_has_its_page(generations, tmp_path):
    """Before the first checkpoint, between two validations, and after a validation."""
    settings = Settings(
        generations=6,
        pairs=16,
        groups=8,
        batch=2,
        hidden=(8, 12),
        evaluate_every=2,
        readout="count",
        validation_samples=50,
    )
    run = tmp_path / "run"
    stopped(settings, datasets.load("digits"), run, generations)
    printed = json.loads(command.here("report", run, "--json").stdout)
    said = assert_self_contained((run / "report.html").read_text()).said()
    if generations:
        assert f"Unfinished: {generations} of 6 generations" in said
        assert f"{100 * printed['test_accuracy']:.2f} %" in said
    else:
        assert "No checkpoint has been written yet" in said
        assert printed["test_accuracy"] is None
    assert ("no validation yet" in said) == (generations < 2)


def test_a_network_that_came_from_elsewhere_has_its_page(tmp_path):
    """Its own names and registers, and weights that nothing was learned for."""
    given = Network.chain(
        2312,
        [Population("a", 6, 300, dv=9), Population("b", 4, 200, du=7), Population("c", 10, 50)],
    )
    rng = np.random.default_rng(0)
    drawn = Weights(
        tuple(
            rng.integers(-99, 99, (n, m)).astype(np.int8) for n, m in ((2312, 6), (6, 4), (4, 10))
        ),
        tuple(np.zeros(n, np.int16) for n in (6, 4, 10)),
    )
    settings = Settings(hidden=(6, 4), readout="count", fraction_bits=0)
    with RunFolder.create(tmp_path / "run", Config(settings, "none", 2312, 10, given)) as folder:
        folder.save(state_of(drawn, 0, True), drawn, 0, 0.0)
    assert command.here("report", tmp_path / "run").returncode == 0
    said = assert_self_contained((tmp_path / "run" / "report.html").read_text()).said()
    for words in ("2312-6-4-10", "The weights were imported", f"are in {CONFIG}"):
        assert words in said


def test_a_network_that_fits_no_chip_has_its_page(tmp_path):
    config = Config(Settings(hidden=(8192,)), "none", 2312, 10)
    with RunFolder.create(tmp_path / "run", config):
        pass
    assert command.here("report", tmp_path / "run").returncode == 0
    said = assert_self_contained((tmp_path / "run" / "report.html").read_text()).said()
    assert "does not fit" in said


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_text_stays_text(text):
    page = join([element("p", text, title=text), table(text, [text, text], [[text, text]])])
    found = Page(page)
    assert found.text == [text] * 5 if text else found.text == []
    assert set(found.tags) == {"p", "div", "table", "thead", "tbody", "tr", "th", "td"}
    assert found.values("title") == [text]


def test_what_comes_from_settings_and_paths_stays_text(tmp_path):
    nasty = "images:</title><script>alert('&\"')</script>"
    folder = tmp_path / "<b>&"
    with RunFolder.create(folder, Config(Settings(data=nasty), "none", 2312, 10)):
        pass
    assert command.here("report", folder, "--out", tmp_path / "page.html").returncode == 0
    found = assert_self_contained((tmp_path / "page.html").read_text())
    assert nasty in found.said()
    assert "b" not in found.tags


def test_drawings_share_no_names_and_keep_their_text():
    def draw(figure):
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1])
        axes.set_title("<b>&")

    first, second = (svg(draw, (2, 2), name, "a <line>") for name in ("one", "two"))
    found = assert_self_contained(first + second)
    assert found.values("aria-label") == ["a <line>"] * 2
    assert "<b>&" in found.said()
    assert "b" not in found.tags
    assert svg(draw, (2, 2), "one", "a <line>") == first


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--sample", "360"], "sample 360 of digits, test; there are 0..359"),
        (["--sample", "-1"], "sample -1"),
        (["--data", "nope"], "'nope'"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_written(done, arguments, named, tmp_path):
    page = tmp_path / "page.html"
    assert_refused(command.here("report", done[1], "--out", page, *arguments), 1, named)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_run_is_named(tmp_path):
    assert_refused(command.here("report", tmp_path), 1, tmp_path, CONFIG)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", "[]", '{"rows": {}}'])
def test_a_damaged_comparison_is_named(done, content, tmp_path):
    for file in done[1].iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "compare").mkdir()
    damaged = tmp_path / "compare" / "compare.json"
    damaged.write_text(content)
    assert_refused(command.here("report", tmp_path), 1, damaged, "neurosim compare")
    assert not (tmp_path / "report.html").exists()


def test_a_graph_of_layers_shows_kernels_feature_maps_and_rates_by_layer(tmp_path):
    data = datasets.load("digits")
    settings = Settings(
        layers="conv 3 5x5 stride 4, conv 2 3x3, dense 9",
        feedback="gate-local",
        method="event-aligned",
        output_rule="delta",
        credit="error",
        pairs=16,
        groups=8,
        batch=1,
        generations=2,
        evaluate_every=1,
    )
    config = start(settings, data)
    with RunFolder.create(tmp_path / "run", config) as folder:
        assert Training(config, data, folder).run(lambda *_: None)
    assert command.here("report", folder.path).returncode == 0
    page = Page((folder.path / "report.html").read_text())
    alts = " ".join(text for text in page.values("aria-label") if text)
    assert "hidden1, 3 maps of 8 x 8" in alts
    assert "hidden1->hidden2, 3 x 2 of 3 x 3" in alts
    assert "spikes in percent of neurons and steps of hidden1 from" in alts
    assert "2x34x34-3x8x8-2x6x6-9-10" in page.said()
    assert not re.search(r"raster of spikes[^;]*readout:", alts)

"""Order of the sections of the report: accuracy and cost first, settings last."""

from pathlib import Path

from learning.recipes import DEFAULT, RECIPES
from learning.record import CONFIG
from neurosim.app.experiments.rows import way_of_training
from neurosim.app.report import chip_cost, faults, results
from neurosim.app.report.facts import Facts
from neurosim.app.report.markup import Html, element, join, section, table


def title(facts: Facts) -> str:
    kind, _, path = facts.config.settings.data.partition(":")
    data = f"{kind}:{Path(path).name}" if path else kind
    return f"{facts.folder.resolve().name}: {data}, {_shape(facts)}"


def body(facts: Facts) -> Html:
    """The page's body."""
    trained = facts.trained
    parts = [element("h1", title(facts)), element("p", _about(facts))]
    if trained is not None:
        parts += [results.numbers(facts, trained)]
    parts += [results.learning(facts)]
    if trained is not None:
        parts += [results.mistakes(trained), results.samples(facts, trained)]
        parts += [results.health(facts, trained)]
        parts += [faults.section_of(trained.defects, trained.answers.seen.accuracy)]
        parts += [chip_cost.cost(trained)]
    parts += [chip_cost.cores(facts), chip_cost.comparison(facts)]
    parts += [results.origin(facts), _settings(facts)]
    return join(parts)


def _shape(facts: Facts) -> str:
    network = facts.config.network()
    own = network.readouts[1:]  # of hidden layers, to learn from
    shapes = [shape for name, shape in network.shapes.items() if name not in own]
    return "-".join("x".join(map(str, shape)) for shape in shapes)


def _about(facts: Facts) -> str:
    settings = facts.config.settings
    origin = facts.config.origin
    way = f"{way_of_training(settings, origin)}, {settings.steps} steps per sample"
    if facts.trained is None:
        return f"Training by {way}. No checkpoint has been written yet: settings and mapping only."
    where = "on the chip " if way.startswith("chip ") else ""
    way = way.removeprefix("chip ")
    if origin and facts.trained.checkpoint.generation == 0:
        return f"Weights by {way}. Curves are over epochs; there has been no training on the chip since."
    done, of = facts.trained.checkpoint.generation, settings.generations
    if done == 0:
        return f"Training by {way}. The weights were imported; there has been no training since."
    return f"Trained {where}by {way}. " + (
        f"All {of:,} generations are done."
        if done >= of
        else f"Unfinished: {done:,} of {of:,} generations are done."
    )


def _plain(value: object) -> str:
    """A setting in words."""
    if value is None:
        return "-"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _settings(facts: Facts) -> Html:
    usual = RECIPES[DEFAULT][1]
    rows = []
    for name, value in facts.config.settings.model_dump(mode="json").items():
        changed = getattr(facts.config.settings, name) != getattr(usual, name)
        shown = ", ".join(map(str, value)) if isinstance(value, list) else _plain(value)
        cell = element("span", shown, class_="changed") if changed else shown
        rows.append([name, cell])
    text = f"A value is bold where it differs from that of the recipe {DEFAULT}."
    if facts.config.given is not None:
        text += f" The network's own registers, where they differ from these, are in {CONFIG}."
    half = -(-len(rows) // 2)
    tables = [
        table("Settings", ["setting", "value"], part, "settings")
        for part in (rows[:half], rows[half:])
    ]
    return section(
        "Settings",
        element("p", text, class_="quiet"),
        element("div", *tables, class_="side"),
        element("p", f"data sha256 {facts.config.dataset_key}", class_="quiet"),
    )

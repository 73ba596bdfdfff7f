"""What does the page say, and in which order? Accuracy and cost first, settings last."""

from pathlib import Path

from learning.record import CONFIG, weights_sha256
from learning.settings import Settings
from neurosim.cli.comparison.methods import way_of_training
from neurosim.cli.reporting import drawings
from neurosim.cli.reporting.facts import Facts, Trained
from neurosim.cli.reporting.markup import Html, drawing, element, join, scrolling, section, table
from neurosim.mapping import Placement

COMPARED = (
    "accuracy %",
    "silent neurons",
    "clipped weights",
    "saturated registers",
    "hidden spikes a sample",
    "estimated µJ a sample",
)
"""Columns of `neurosim compare` that the page has room for; compare.md has all."""


def title(facts: Facts) -> str:
    kind, _, path = facts.config.settings.data.partition(":")
    data = f"{kind}:{Path(path).name}" if path else kind
    return f"{facts.folder.resolve().name}: {data}, {_shape(facts)}"


def body(facts: Facts) -> Html:
    """The page's body."""
    trained = facts.trained
    parts = [element("h1", title(facts)), element("p", _about(facts))]
    if trained is not None:
        parts += [_numbers(facts, trained)]
    parts += [_learning(facts)]
    if trained is not None:
        parts += [_mistakes(trained), _samples(facts, trained)]
        parts += [_health(facts, trained), _cost(trained)]
    parts += [_cores(facts), _comparison(facts), _settings(facts)]
    return join(parts)


def _shape(facts: Facts) -> str:
    return "-".join(map(str, facts.config.network().sizes.values()))


def _about(facts: Facts) -> str:
    settings = facts.config.settings
    way = f"{way_of_training(settings)}, {settings.steps} steps a sample"
    if facts.trained is None:
        return f"To learn by {way}. No checkpoint has been written yet: settings and mapping only."
    done, of = facts.trained.checkpoint.generation, settings.generations
    if done == 0:
        return f"To learn by {way}. The weights were brought here; nothing has been learned since."
    return f"Learned by {way}. " + (
        f"All {of:,} generations are done."
        if done >= of
        else f"Unfinished: {done:,} of {of:,} generations are done."
    )


def _numbers(facts: Facts, trained: Trained) -> Html:
    seen, checkpoint = trained.answers.seen, trained.checkpoint
    told = [(f"test accuracy, {len(seen.predictions):,} samples", f"{100 * seen.accuracy:.2f} %")]
    if trained.cost is not None:
        source, estimate = next(iter(trained.cost.estimates.items()))
        told += [
            (f"energy a sample, estimate ({source})", f"{estimate.total_pj * 1e-6:.2f} µJ"),
            ("of it without static power", f"{estimate.dynamic_pj * 1e-6:.2f} µJ"),
            (f"time a sample, estimate ({source})", f"{estimate.time_ns * 1e-3:.0f} µs"),
            ("synaptic operations a sample", f"{trained.cost.counted['synaptic_operations']:,.0f}"),
        ]
    told += [("hidden spikes a sample", f"{seen.spikes_per_sample:,.0f}")]
    if isinstance(facts.placement, Placement):
        placed = facts.placement
        told += [("cores", f"{len(placed.cores)} of {placed.limits.cores}")]
    told += [
        ("generations", f"{checkpoint.generation:,}"),
        ("training", f"{checkpoint.seconds:,.1f} s"),
    ]
    tiles = [element("div", element("dt", name), element("dd", value)) for name, value in told]
    sha256 = element("code", weights_sha256(checkpoint.weights))
    return join(
        [
            element("dl", *tiles, class_="numbers"),
            element("p", "weights sha256 ", sha256, class_="quiet"),
        ]
    )


def _learning(facts: Facts) -> Html:
    if not facts.metrics:
        return section("Learning", element("p", "The validation set has not been looked at yet."))
    last = facts.metrics[-1]
    told = (
        f"Last look, generation {last['generation']:,}: {100 * last['validation_accuracy']:.2f} % of "
        f"the validation samples, {last['dead_classes']} classes never answered, "
        f"{last['saturated_registers']:,} saturations in the generation's rehearsals."
    )
    figures = (
        drawing(drawings.learning(facts.metrics), "Validation accuracy (blue) and fitness (red)."),
        drawing(drawings.upkeep(facts.metrics), "What the network spends, and what it wastes."),
    )
    return section("Learning", element("p", told), element("div", *figures, class_="side"))


def _mistakes(trained: Trained) -> Html:
    confusion = trained.answers.confusion
    rows = []
    for label, row in enumerate(confusion):
        cells = []
        for answer, count in enumerate(row):
            share = count / max(int(row.sum()), 1)
            colour = "cell" if answer == label else "miss"
            strength = share if answer == label else min(1.0, 6 * share)
            style = f"background: rgba(var(--{colour}), {0.75 * strength:.2f})"
            cells.append(element("td", str(count) if count else "·", style=style))
        right = f"{100 * row[label] / row.sum():.1f}" if row.sum() else "-"
        rows.append(element("tr", element("th", str(label), scope="row"), *cells,
                            element("td", right)))  # fmt: skip
    head = [
        element("th", name, scope="col") for name in ("", *map(str, range(len(confusion))), "%")
    ]
    whole = element(
        "table", element("thead", element("tr", *head)), element("tbody", *rows), class_="confusion"
    )
    told = (
        f"Test samples of {trained.data}: a row for each label, a column for each answer; last, the "
        f"share answered rightly. Classes never answered: {trained.answers.seen.dead_classes}."
    )
    return section("Right and wrong", element("p", told), scrolling("Confusion matrix", whole))


def _samples(facts: Facts, trained: Trained) -> Html:
    figures = [
        drawing(
            drawings.sample(facts.config.network(), one),
            f"Test sample {one.number}: a {one.label}, "
            + (
                "answered rightly."
                if one.label == one.prediction
                else f"taken for {one.prediction}."
            ),
        )
        for one in trained.samples
    ]
    told = (
        "From the top: the sensor in each step (blue brighter, red darker), spikes of inputs and "
        "neurons, membranes of some hidden neurons with marks where they spike, and the output's: blue "
        "the right class, red the one it was taken for. Without latency, as in training."
    )
    return section("Samples", element("p", told), element("div", *figures, class_="side"))


def _health(facts: Facts, trained: Trained) -> Html:
    network = facts.config.network()
    rows = [
        [
            layer.layer,
            f"{layer.dead}" if layer.rates is not None else "-",
            f"{layer.always}" if layer.rates is not None else "-",
            f"{layer.rates.mean():.3f}" if layer.rates is not None else "-",
            f"{layer.at_edge:,}",
            f"{100 * layer.zero / layer.synapses:.1f}",
        ]
        for layer in trained.health
    ]
    header = ["layer", "dead", "always on", "spikes a step", "weights at edge", "zero, %"]
    figures = [
        drawing(drawings.weights(network, trained.checkpoint.weights), "Weights, 8-bit mantissas."),
        drawing(drawings.rates(trained.health), "Firing rates of neurons over the test samples."),
    ]
    told = (
        f"Over the test samples, {trained.answers.seen.saturated:,} registers met their edge. Dead "
        f"neurons never spiked, neurons always on spiked in every step of every sample; - where the "
        f"membrane is read and no spike is meant to come."
    )
    return section(
        "Dead, saturated, busy",
        element("p", told),
        table("Health of each layer", header, rows),
        element("div", *figures, class_="side"),
    )


def _cost(trained: Trained) -> Html:
    cost = trained.cost
    if cost is None:
        return section("Energy", element("p", "No estimate: the network does not fit one chip."))
    first = next(iter(cost.estimates.values()))
    rows = [
        [
            row.operation,
            f"{row.number:,.0f}",
            *(f"{estimate.rows[k].pj / 1000:,.2f}" for estimate in cost.estimates.values()),
        ]
        for k, row in enumerate(first.rows)
        if row.number
    ]
    of = list(cost.estimates.values())
    rows.append(["static power", "", *(f"{estimate.static_pj / 1000:,.2f}" for estimate in of)])
    rows.append(["total", "", *(f"{estimate.total_pj / 1000:,.2f}" for estimate in of)])
    rows.append(["time, µs", "", *(f"{estimate.time_ns / 1000:,.1f}" for estimate in of)])
    header = ["operation", "a sample", *(f"nJ, {name}" for name in cost.estimates)]
    told = [
        f"Estimates, not measurements: what the emulator counted, times published energies of one "
        f"operation. Mean of the first {cost.samples} test samples, each {cost.steps} steps so that "
        f"its last spikes arrive, run one at a time."
    ]
    if cost.training is not None:
        told.append(
            f"Learning all of it on such a chip: {cost.training.total_pj / 1e12:.3g} J "
            f"({cost.training.label})."
        )
    sources = [element("p", estimate.label, class_="quiet") for estimate in of]
    return section(
        "Energy",
        *(element("p", t) for t in told),
        table("Energy by operation", header, rows),
        *sources,
    )


def _cores(facts: Facts) -> Html:
    placed = facts.placement
    if not isinstance(placed, Placement):
        return section("Cores", element("p", placed))
    rows = [
        [
            str(number),
            core.population,
            f"{core.first}..{core.last - 1}",
            f"{100 * core.used['synapse_bits'] / placed.limits.synapse_bits:.0f} %",
            f"{core.used['axons_in']:,}",
            f"{core.used['axons_out']:,}",
        ]
        for number, core in enumerate(placed.cores)
    ]
    header = ["core", "population", "neurons", "synapse memory", "axons in", "axons out"]
    caption = "Four cores a tile; numbers: % of synaptic memory; arrows: routes between tiles."
    return section(
        "Cores",
        element(
            "div",
            drawing(drawings.mesh(placed), caption),
            table("Cores", header, rows),
            class_="side",
        ),
    )


def _comparison(facts: Facts) -> Html:
    heading = "Beside the float reference"
    found = facts.comparison
    if found is None:
        told = ["Not compared yet: ", element("code", f"neurosim compare {facts.folder}")]
        return section(heading, element("p", *told))
    from neurosim.cli.comparison.tables import COLUMNS, cell

    columns = [column for column in COLUMNS if column[0] in COMPARED]
    rows = [
        [method, *(cell(some, of, form) for _, of, form in columns)]
        for method, some in found["rows"].items()
    ]
    parts: list[str] = [element("p", _stands(facts, found))]
    figures = [drawing(drawings.comparison(found["rows"]), "Blue on the chip, grey in float.")]
    if found["sweeps"]:
        caption = "How narrow the registers may be, for the float-trained weights."
        figures.append(drawing(drawings.widths(found["sweeps"]), caption))
    agreed = "; ".join(
        f"{name} {layer['differing']:,} of {layer['cells']:,}"
        for name, layer in found["agreement"]["spikes"].items()
    )
    parts += [
        table("Ways of training", ["method", *(name for name, _, _ in columns)], rows, "methods"),
        element("p", f"Neuron steps in which chip and float64 twin differ: {agreed}."),
        element("div", *figures, class_="side"),
    ]
    return section(heading, *parts)


def _stands(facts: Facts, found: dict) -> str:
    """Is the comparison of these weights?"""
    trained = facts.trained
    same = (
        trained is not None
        and weights_sha256(trained.checkpoint.weights) in found["weights_sha256"]
    )
    return f"Test samples of {found['data']}." + (
        "" if same else " Made with other weights than those of this page: compare again."
    )


def _settings(facts: Facts) -> Html:
    usual = Settings()
    rows = []
    for name, value in facts.config.settings.model_dump(mode="json").items():
        changed = getattr(facts.config.settings, name) != getattr(usual, name)
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        cell = element("span", shown, class_="changed") if changed else shown
        rows.append([name, cell])
    told = "Bold where they are not the default."
    if facts.config.given is not None:
        told += f" The network's own registers, where they differ from these, are in {CONFIG}."
    half = -(-len(rows) // 2)
    tables = [
        table("Settings", ["setting", "value"], part, "settings")
        for part in (rows[:half], rows[half:])
    ]
    return section(
        "Settings",
        element("p", told, class_="quiet"),
        element("div", *tables, class_="side"),
        element("p", f"data sha256 {facts.config.dataset_key}", class_="quiet"),
    )

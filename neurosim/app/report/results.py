"""Sections on results: accuracy, errors, weights and firing rates."""

from learning.record import weights_sha256
from neurosim.app.report import drawings, sample_drawing
from neurosim.app.report.facts import Facts, Trained
from neurosim.app.report.markup import Html, drawing, element, join, scrolling, section, table
from neurosim.chip.mapping import Placement


def numbers(facts: Facts, trained: Trained) -> Html:
    seen, checkpoint = trained.answers.seen, trained.checkpoint
    told = [(f"test accuracy, {len(seen.predictions):,} samples", f"{100 * seen.accuracy:.2f} %")]
    if trained.cost is not None:
        source, estimate = next(iter(trained.cost.estimates.items()))
        told += [
            (f"energy per sample, estimate ({source})", f"{estimate.total_pj * 1e-6:.2f} µJ"),
            ("of it without static power", f"{estimate.dynamic_pj * 1e-6:.2f} µJ"),
            (f"time per sample, estimate ({source})", f"{estimate.time_ns * 1e-3:.0f} µs"),
            (
                "synaptic operations per sample",
                f"{trained.cost.counted['synaptic_operations']:,.0f}",
            ),
        ]
    told += [("hidden spikes per sample", f"{seen.spikes_per_sample:,.0f}")]
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


def learning(facts: Facts) -> Html:
    if not facts.metrics:
        return section("Learning", element("p", "There has been no validation yet."))
    last = facts.metrics[-1]
    told = (
        f"Last validation, generation {last['generation']:,}: {100 * last['validation_accuracy']:.2f} % of "
        f"the validation samples, {last['dead_classes']} classes never predicted, "
        f"{last.get('saturated_registers', 0):,} saturations in the generation's evaluations."
    )
    figures = (
        drawing(drawings.learning(facts.metrics), "Validation accuracy (blue) and fitness (red)."),
        drawing(
            drawings.upkeep(facts.metrics),
            "Spikes, dead neurons, and weights at the edge of their range.",
        ),
    )
    return section("Learning", element("p", told), element("div", *figures, class_="side"))


def mistakes(trained: Trained) -> Html:
    confusion = trained.answers.confusion
    names = trained.class_names
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
        rows.append(
            element("tr", element("th", names[label], scope="row"), *cells, element("td", right))
        )
    head = [element("th", name, scope="col") for name in ("", *names, "%")]
    whole = element(
        "table", element("thead", element("tr", *head)), element("tbody", *rows), class_="confusion"
    )
    told = (
        f"Test samples of {trained.data}: one row per label, one column per prediction; the last column is "
        f"the accuracy of the class. Classes never predicted: {trained.answers.seen.dead_classes}."
    )
    return section("Confusion matrix", element("p", told), scrolling("Confusion matrix", whole))


def samples(facts: Facts, trained: Trained) -> Html:
    figures = [
        drawing(
            sample_drawing.sample(facts.config.network(), one),
            f"Test sample {one.number}: {trained.class_names[one.label]}, "
            + (
                "classified correctly."
                if one.label == one.prediction
                else f"classified as {trained.class_names[one.prediction]}."
            ),
        )
        for one in trained.samples
    ]
    told = (
        "From the top: the sensor in each step (blue brighter, red darker), spikes of inputs and "
        "neurons, membranes of some hidden neurons with marks at spikes, and those of the output: blue "
        "the correct class, red the predicted one. Without latency, as in training."
    )
    return section("Samples", element("p", told), element("div", *figures, class_="side"))


def health(facts: Facts, trained: Trained) -> Html:
    network = facts.config.network()
    rows = [
        [
            layer.layer,
            f"{layer.dead}" if layer.rates is not None else "-",
            f"{layer.always}" if layer.rates is not None else "-",
            f"{layer.rates.mean():.3f}" if layer.rates is not None else "-",
            f"{layer.at_edge:,}",
            f"{100 * layer.zero / layer.synapses:.1f}" if layer.synapses else "-",
        ]
        for layer in trained.health
    ]
    header = ["layer", "dead", "always on", "spikes per step", "weights at edge", "zero, %"]
    figures = [
        drawing(drawings.weights(network, trained.checkpoint.weights), "Weights, 8-bit mantissas."),
        drawing(drawings.rates(trained.health), "Firing rates of neurons over the test samples."),
    ]
    told = (
        f"Over the test samples there were {trained.answers.seen.saturated:,} saturations of registers. Dead "
        f"neurons never spiked; neurons always on spiked in every step of every sample; - for a layer "
        f"that is read by its membrane and does not spike."
    )
    return section(
        "Health of the layers",
        element("p", told),
        table("Health of each layer", header, rows),
        element("div", *figures, class_="side"),
    )

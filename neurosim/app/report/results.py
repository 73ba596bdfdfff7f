"""Sections on results: accuracy, errors, weights and firing rates."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from learning import intervals
from learning.record import weights_sha256
from neurosim.app import provenance
from neurosim.app.experiments.answers import class_lines
from neurosim.app.report import drawings, sample_drawing
from neurosim.app.report.facts import Facts, Trained
from neurosim.app.report.markup import Html, drawing, element, join, scrolling, section, table
from neurosim.chip.mapping import Placement

BESIDE, ERRORS = 12, 8
"""Classes up to which the most frequent errors have a place beside the confusion matrix, and how many of
these errors are listed; chosen here."""


def numbers(facts: Facts, trained: Trained) -> Html:
    """The accuracy, large, and its cost: with static power and without, each said."""
    seen, checkpoint = trained.answers.seen, trained.checkpoint
    samples = len(seen.predictions)
    low, high = intervals.of_accuracy(seen.accuracy, samples)
    right = round(seen.accuracy * samples)
    last = facts.metrics[-1] if facts.metrics else None
    validated = f"validation accuracy {100 * last['validation_accuracy']:.2f} %" if last else None
    headline = element(
        "div",
        element("dt", f"test accuracy, {samples:,} samples"),
        element("dd", f"{100 * seen.accuracy:.2f} %"),
        element("dd", f"95 % interval {100 * low:.1f} to {100 * high:.1f} %", class_="quiet"),
        element("dd", f"{samples - right:,} classified wrongly", class_="quiet"),
        *([] if validated is None else [element("dd", validated, class_="quiet")]),
        class_="first",
    )
    entries = []
    if trained.cost is not None:
        source, estimate = next(iter(trained.cost.estimates.items()))
        entries += [
            (
                f"dynamic energy per sample, estimate ({source})",
                f"{estimate.dynamic_pj * 1e-6:.2f} µJ",
            ),
            (
                f"energy per sample with static power, estimate ({source})",
                f"{estimate.total_pj * 1e-6:.2f} µJ",
            ),
            (f"time per sample, estimate ({source})", f"{estimate.time_ns * 1e-3:.0f} µs"),
            (
                "synaptic operations per sample",
                f"{trained.cost.counted['synaptic_operations']:,.0f}",
            ),
        ]
    entries += [("hidden spikes per sample", f"{seen.spikes_per_sample:,.0f}")]
    if isinstance(facts.placement, Placement):
        placed = facts.placement
        entries += [("cores", f"{len(placed.cores)} of {placed.limits.cores}")]
    entries += [
        ("generations", f"{checkpoint.generation:,}"),
        ("training", f"{checkpoint.seconds:,.1f} s"),
    ]
    tiles = [element("div", element("dt", name), element("dd", value)) for name, value in entries]
    sha256 = element("code", weights_sha256(checkpoint.weights))
    return join(
        [
            element("dl", headline, *tiles, class_="numbers"),
            element("p", "weights sha256 ", sha256, class_="quiet"),
        ]
    )


def origin(facts: Facts) -> Html:
    """When, where and how the run was made, as far as its folder says so."""
    entries = provenance.read(facts.folder)
    if not entries:
        return Html("")
    rows = []
    for entry in entries:
        commit = str(entry.get("commit") or "-")
        clocks = [
            f"{entry[name]:,.1f} s" if isinstance(entry.get(name), int | float) else "-"
            for name in ("train_seconds", "compile_seconds")
        ]
        machine = f"{entry.get('processor')}, {entry.get('threads')} threads"
        span = f"{entry.get('from_generation', '-')} to {entry.get('to_generation', '-')}"
        version = f"{entry.get('version') or '-'} ({commit[:10]}{'+' if '+' in commit else ''})"
        rows.append([str(entry.get("date", "-")), span, *clocks, version, machine])
    header = ["started", "generations", "training", "compilation", "version (commit)", "machine"]
    commands = [element("p", element("code", str(entry.get("command", "-")))) for entry in entries]
    return section("Origin", table("Origin", header, rows), *commands)


def learning(facts: Facts) -> Html:
    if not facts.metrics:
        return section("Learning", element("p", "There has been no validation yet."))
    last = facts.metrics[-1]
    text = (
        f"Last validation, generation {last['generation']:,}: {100 * last['validation_accuracy']:.2f} % of "
        f"the validation samples, {last['dead_classes']} classes never predicted, "
        f"{last.get('saturated_registers', 0):,} saturations in the generation's evaluations."
    )
    figures = (
        drawing(
            drawings.learning(facts.metrics),
            "Validation accuracy (blue, on a scale that is logarithmic in the error) and fitness (red).",
        ),
        drawing(
            drawings.upkeep(facts.metrics),
            "Spikes, dead neurons, weights at the edge of their range"
            + (", and the rates of the layers." if "layer_rates" in last else "."),
        ),
    )
    return section("Learning", element("p", text), element("div", *figures, class_="side"))


MOST_CLASSES = 128
"""Classes of a confusion matrix that a page shows whole, chosen here: one of 1,000 has 56 MB."""


def mistakes(trained: Trained) -> Html:
    confusion = trained.answers.confusion
    names = trained.class_names
    never = f"Classes never predicted: {trained.answers.seen.dead_classes}."
    if len(names) > MOST_CLASSES:
        header = ["label", "samples", "right", "most often taken for"]
        text = f"Test samples of {trained.data}, one row per label. {never}"
        lines = table("Confusions", header, class_lines(confusion, names))
        return section("Confusions", element("p", text), lines)
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
    text = (
        f"Test samples of {trained.data}: one row per label, one column per prediction; the last column is "
        f"the accuracy of the class. {never}"
    )
    parts = [scrolling("Confusion matrix", whole), _frequent_errors(confusion, names)]
    beside = {"class_": "side"} if len(names) <= BESIDE else {}
    return section("Confusion matrix", element("p", text), element("div", *parts, **beside))


def _frequent_errors(confusion: NDArray[np.int64], names: Sequence[str]) -> Html:
    """The classes that are taken for another one most often."""
    off = confusion - np.diag(np.diag(confusion))
    most = np.argsort(-off, axis=None, kind="stable")[:ERRORS]
    rows = [
        [names[label], names[answer], f"{off[label, answer]:,}"]
        for label, answer in zip(*np.unravel_index(most, off.shape), strict=True)
        if off[label, answer]
    ]
    if not rows:
        return element("p", "No sample is classified wrongly.")
    return table("Most frequent errors", ["class", "taken for", "samples"], rows)


def samples(facts: Facts, trained: Trained) -> Html:
    """The samples, one open at a time: a heading opens its drawing."""
    names, network = trained.class_names, facts.config.network()
    parts = []
    for index, one in enumerate(trained.samples):
        right = one.label == one.prediction
        outcome = "correct" if right else f"classified as {names[one.prediction]}"
        heading = element("summary", f"Test sample {one.number}: {names[one.label]}, {outcome}")
        caption = "Classified correctly." if right else f"Classified as {names[one.prediction]}."
        figure = drawing(sample_drawing.sample(network, one), caption)
        opened = {"open": ""} if index == 0 else {}
        maps = sample_drawing.feature_maps(network, one)
        more = (
            [] if maps is None else [drawing(maps, "Spikes of feature maps, all steps together.")]
        )
        parts.append(element("details", heading, figure, *more, name="sample", **opened))
    text = (
        "From the top: the sensor in each step (blue brighter, red darker), spikes of inputs and "
        "neurons, membranes of some hidden neurons (cut three thresholds below 0) with marks at spikes, "
        "and those of the output: blue the correct class, red the predicted one. Without latency, as in "
        "training. Choose a sample by its heading; --sample of the command chooses which are here."
    )
    return section("Samples", element("p", text), *parts)


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
    text = (
        f"Over the test samples there were {trained.answers.seen.saturated:,} saturations of registers. Dead "
        f"neurons never spiked; neurons always on spiked in every step of every sample; - for a layer "
        f"that is read by its membrane and does not spike."
    )
    return section(
        "Health of the layers",
        element("p", text),
        table("Health of each layer", header, rows),
        element("div", *figures, class_="side"),
        _maps(facts, trained),
    )


def _maps(facts: Facts, trained: Trained) -> Html:
    """Kernels of convolutions, or weights of the first layer on the plane of the sensor, where it has one."""
    kernels = drawings.kernels(facts.config.network(), trained.checkpoint.weights)
    if kernels is not None:
        return drawing(
            kernels,
            "Kernels of convolutions, of the source maps with the largest weights: blue raises the membrane, "
            "red lowers it.",
        )
    maps = drawings.weight_maps(facts.config, trained.checkpoint.weights)
    if maps is None:
        return Html("")
    return drawing(
        maps,
        "Weights from the sensor to the hidden neurons with the largest weights: blue raises the "
        "membrane, red lowers it; of two polarities the one for brighter.",
    )

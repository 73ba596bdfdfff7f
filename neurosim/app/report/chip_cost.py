"""Sections on the cost of the network on the chip, and on the comparison with the float reference."""

from typing import Any

from learning.record import weights_sha256
from neurosim.app.report import drawings
from neurosim.app.report.facts import Facts, Trained
from neurosim.app.report.markup import Html, drawing, element, section, table
from neurosim.app.report.mesh_picture import routes
from neurosim.chip.mapping import Placement

COMPARED = (
    "accuracy %",
    "silent neurons",
    "clipped weights",
    "saturated registers",
    "hidden spikes per sample",
    "estimated µJ per sample",
)
"""Columns of `neurosim compare` that the page has room for; compare.md has all."""


def cost(trained: Trained) -> Html:
    cost = trained.cost
    if cost is None:
        return section("Energy", element("p", "No estimate: the network does not fit one chip."))
    first = next(iter(cost.estimates.values()))
    rows = [
        [
            row.operation,
            f"{row.number:,.0f}",
            *(_nanojoules(estimate.rows[k].pj) for estimate in cost.estimates.values()),
        ]
        for k, row in enumerate(first.rows)
        if row.number
    ]
    of = list(cost.estimates.values())
    rows.append(["dynamic, all of these", "", *(_nanojoules(one.dynamic_pj) for one in of)])
    rows.append(["static power", "", *(_nanojoules(one.static_pj) for one in of)])
    with_static = (_nanojoules(one.total_pj if one.static_pj else 0.0) for one in of)
    rows.append(["dynamic and static", "", *with_static])
    rows.append(["time, µs", "", *(f"{estimate.time_ns / 1000:,.1f}" for estimate in of)])
    header = ["operation", "per sample", *(f"nJ, {name}" for name in cost.estimates)]
    texts = [
        f"Estimates, not measurements: what the emulator counted, times published energies of one "
        f"operation. Mean of the first {cost.samples} test samples, each {cost.steps} steps so that "
        f"its last spikes arrive, run one at a time. -: the source publishes no such energy."
    ]
    if cost.training is not None:
        texts.append(
            f"Learning all of it on such a chip: {cost.training.total_pj / 1e12:.3g} J "
            f"({cost.training.label})."
        )
    sources = [element("p", estimate.label, class_="quiet") for estimate in of]
    return section(
        "Energy",
        *(element("p", t) for t in texts),
        table("Energy by operation", header, rows),
        *sources,
    )


def _nanojoules(picojoules: float) -> str:
    """An energy; none where it is 0, which no operation costs."""
    return f"{picojoules / 1000:,.2f}" if picojoules else "-"


def cores(facts: Facts) -> Html:
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
    caption = "Four cores per tile; numbers: % of synaptic memory"
    caption += "; arrows: routes between tiles." if routes(placed) else "."
    return section(
        "Cores",
        element(
            "div",
            drawing(drawings.mesh(placed), caption),
            table("Cores", header, rows),
            class_="side",
        ),
    )


def comparison(facts: Facts) -> Html:
    """What `neurosim compare` found, if it was called."""
    found = facts.comparison
    if found is None:
        return Html("")
    from neurosim.app.experiments.tables import COLUMNS, cell

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
    return section("Beside the float reference", *parts)


def _stands(facts: Facts, found: dict[str, Any]) -> str:
    """Whether the comparison is of these weights."""
    trained = facts.trained
    same = (
        trained is not None
        and weights_sha256(trained.checkpoint.weights) in found["weights_sha256"]
    )
    return f"Test samples of {found['data']}." + (
        "" if same else " Made with other weights than those of this page: compare again."
    )

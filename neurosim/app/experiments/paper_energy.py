"""Energy and time of training: what each rule would cost the chip for a trained sample, an estimate."""

from typing import TYPE_CHECKING

from neurosim.app.experiments import layer_rules
from neurosim.app.experiments.paper import VANILLA, PaperExperiment, chip_settings, eggroll
from neurosim.app.experiments.store import Store
from neurosim.app.experiments.tables import markdown
from neurosim.app.experiments.trainings import MEASURE, Part, Result
from neurosim.data.datasets import Dataset

if TYPE_CHECKING:
    from learning.settings import Settings

METHOD = "energy of training"
PUBLISHED = (
    "*back-propagation on Loihi, measured*",
    "MNIST, another network",
    "-",
    "590",
    "-",
    "1.5",
)
"""Renner et al., Nature Communications 15, 2024: 0.59 mJ and 1.5 ms per trained sample."""


def rules(arguments: PaperExperiment) -> dict[str, "Settings"]:
    """The settings of each rule whose training is priced."""
    found = {eggroll(rank): chip_settings(arguments, 0, rank=rank) for rank in arguments.ranks}
    found[VANILLA] = chip_settings(arguments, 0, method="full-rank")
    for combination in layer_rules.COMBINATIONS:
        if combination.settings["method"] == "event-aligned":
            found[combination.name] = layer_rules.settings_of(arguments, 0, combination, 1.0)
    return found


def plan(arguments: PaperExperiment, data: Dataset, store: Store, trained: Part) -> Part:
    """The estimates, from the operations of the chip emulator in a network that was `trained`."""
    priced = rules(arguments)
    recipe = {
        "data": data.key,
        "measure": MEASURE,
        "network": trained.recipe,
        "rules": {name: settings.model_dump(mode="json") for name, settings in priced.items()},
    }

    def make() -> Result:
        from learning.record import read_checkpoint
        from neurosim.app.experiments.cycle import on_cores
        from neurosim.app.experiments.training_cost import training_estimate
        from neurosim.chip import energy

        config, checkpoint = read_checkpoint(trained.run)
        network = config.network()
        recording, placement = on_cores(network, checkpoint.weights, data.test)
        samples, steps = recording.counters.spikes.shape
        counted = {name: n / samples for name, n in recording.counters.total().items()}
        inference = energy.of_recording(recording, placement)[0]
        rows = {}
        for name, settings in priced.items():
            estimate = training_estimate(settings, network, placement, counted, steps)
            shown = settings.generations * settings.groups * settings.batch
            of_sample = estimate.divided(shown, "mean of a trained sample")
            rows[name] = {
                "passes": 2 * settings.pairs / settings.groups,
                "dynamic_uj": of_sample.dynamic_pj * 1e-6,
                "total_uj": of_sample.total_pj * 1e-6,
                "ms": of_sample.time_ns * 1e-6,
            }
        return {
            "cores": len(placement.cores),
            "constants": energy.DAVIES_2018.source,
            "inference_uj": inference.dynamic_pj * 1e-6,
            "inference_total_uj": inference.total_pj * 1e-6,
            "inference_ms": inference.time_ns * 1e-6,
            "rows": rows,
        }

    return Part(METHOD, 0, recipe, make, store)


def section(results: list[Result]) -> list[str]:
    """Paragraphs: the estimates as a table, beside the published one, and what they assume."""
    found = next((r for r in results if r["method"] == METHOD), None)
    if found is None:
        return []
    rows = [
        [
            name,
            "this network",
            f"{row['passes']:g}",
            f"{row['dynamic_uj']:,.0f}",
            f"{row['total_uj']:,.0f}",
            f"{row['ms']:.2f}",
        ]
        for name, row in found["rows"].items()
    ]
    inference = [
        "*inference, for comparison*",
        "this network",
        "-",
        f"{found['inference_uj']:,.1f}",
        f"{found['inference_total_uj']:,.1f}",
        f"{found['inference_ms']:.3f}",
    ]
    header = ["rule", "network", "member passes per sample", "µJ per trained sample"]
    header += ["µJ with static power", "ms per trained sample"]
    return [
        "## Energy of training",
        markdown(header, [*rows, inference, list(PUBLISHED)]),
        f"An estimate, not a measurement: operations that the chip emulator counted in 100 test "
        f"samples of a network trained by EGGROLL, on {found['cores']} cores, times published "
        f"constants ({found['constants']}). Assumed: one sample after another on one copy of "
        f"the network; members share nothing, so that spikes arrive anew for each; noise is "
        f"generated on the cores and drawn again for the update; a term of an update costs as "
        f"much as a synaptic operation; weights are written once a generation; the host's own "
        f"energy is left out. Chips that hold many copies of the network would divide the time, "
        f"not the energy. The published figure is a measurement of another network and rule "
        f"(Renner et al., Nature Communications 15, 2024): it gives the order of magnitude.",
    ]

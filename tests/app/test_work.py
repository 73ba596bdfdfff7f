"""Long work of experiments: the call that makes a page again."""

import pytest

from neurosim.app.experiments import work
from neurosim.app.experiments.ablation import AblationExperiment
from neurosim.app.experiments.paper import PaperExperiment


@pytest.mark.parametrize(
    ("name", "arguments", "call"),
    [
        ("ablation", AblationExperiment(), "neurosim ablation"),
        ("ablation", AblationExperiment(choices=False), "neurosim ablation --no-choices"),
        (
            "reproduce paper",
            PaperExperiment(float_es=True, ranks=(1, 2), seeds=3, out="elsewhere"),
            "neurosim reproduce paper --seeds 3 --ranks 1 2 --float-es",
        ),
    ],
)
def test_the_call_gives_what_differs_from_the_defaults(name, arguments, call):
    assert work.command(name, arguments) == call

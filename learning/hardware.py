"""Which files make hardware this run's network, and prove that it infers and learns as the chip does?

write(folder, config, checkpoint, data, samples)    docs/hardware.md lists the files
"""

import json
from pathlib import Path
from typing import Any

from learning import golden
from learning.record import Checkpoint, Config, weights_sha256
from learning.settings import readout
from learning.training import take
from neurosim.datasets import Dataset
from neurosim.exchange import hdl, hdl_parameters, memory_images
from neurosim.exchange.description import describe
from neurosim.exchange.memory_images import ImageError


def write(
    folder: Path, config: Config, checkpoint: Checkpoint, data: Dataset, samples: int
) -> dict[str, Any]:
    """Write memory images and vectors of the first `samples` test samples; return the manifest.

    Where hardware/ cannot learn by the run's rule, the manifest's `learning` is null and says why.
    """
    settings, network = config.settings, config.network()
    if data.key != config.dataset_key:
        raise ImageError(
            f"{data.name} is not the data of this run (key {data.key[:12]}, then "
            f"{config.dataset_key[:12]}); restore the data"
        )
    if not 1 <= samples <= len(data.test.labels):
        raise ImageError(
            f"samples is {samples}; the test set of {data.name} has 1..{len(data.test.labels)}"
        )
    shown = take(data.test, slice(samples))
    images = hdl.images(network, checkpoint.weights, shown)
    fault = golden.fault(settings)
    learning = None
    if fault is None:
        done = golden.step(config, checkpoint, data)
        images += golden.images(config, done)
        learning = golden.about(settings, done)
    parameters = hdl_parameters.parameters(
        network, settings.steps, settings.seed, readout(settings), golden.parameters(config)
    )
    about = {
        "run": {
            "data": data.name,
            "dataset_key": data.key,
            "generations": checkpoint.generation,
            "weights_sha256": weights_sha256(checkpoint.weights),
        },
        "network": describe(network),
        "layers": hdl_parameters.layers(network),
        "parameters": parameters,
        **hdl_parameters.conventions(settings.seed),
        "samples": {"split": "test", "labels": shown.labels.tolist()},
        "learning": learning,
        "no_learning_because": fault,
    }
    others = {
        "params.vh": hdl_parameters.verilog(parameters),
        "params.json": json.dumps(parameters, indent=1) + "\n",
    }
    return memory_images.write(folder, about, images, others)

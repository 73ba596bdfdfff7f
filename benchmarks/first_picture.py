"""The README's picture: what the chip sees of a digit, and how fast it learns.

    python benchmarks/first_picture.py docs/pictures/first.png RUN [RUN ...]

RUN are run folders of `neurosim train` on the same data; accuracy is that of the validation set.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from learning.record import METRICS, read_checkpoint
from neurosim.data import datasets, frames

PAPER = (
    (79.21, "paper, EGGROLL: 79.21 % (N-MNIST)"),
    (94.03, "paper, BPTT: 94.03 % (N-MNIST)"),
)
COLOURS = ("#c8553d", "#1b6ca8", "#5b8c5a")
SAMPLE = 0


def main(target: str, folders: list[str]) -> None:
    import json

    config, _ = read_checkpoint(Path(folders[0]))
    data = datasets.load(config.settings.data, steps=config.settings.steps)
    figure = Figure(figsize=(10, 4.6), dpi=110, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 2.6))
    shown = frames.unpack(
        frames.Frames(data.test.bits[SAMPLE : SAMPLE + 1], data.test.labels[:1], data.test.inputs)
    )
    height, width = data.sensor
    for t, axes in enumerate(above.subplots(1, config.settings.steps)):
        off, on = shown[0, t].reshape(2, height, width).astype(float)
        axes.imshow(np.stack([1 - on, 1 - 0.5 * (on + off), 1 - off], axis=-1))
        axes.set_title(f"step {t}", fontsize=8)
        axes.set_axis_off()
    axes = below.subplots()
    for folder, colour in zip(folders, COLOURS, strict=False):
        settings = read_checkpoint(Path(folder))[0].settings
        lines = [json.loads(line) for line in (Path(folder) / METRICS).read_text().splitlines()]
        name = "EGGROLL alone" if settings.method == "eggroll" else settings.method
        if settings.credit == "error":
            name += ", credit by error"
        axes.plot(
            [line["seconds"] for line in lines],
            [100 * line["validation_accuracy"] for line in lines],
            color=colour,
            linewidth=2,
            label=f"{name}, on the chip",
        )
    for value, name in PAPER:
        axes.axhline(value, color="0.55", linewidth=0.8, linestyle="--")
        axes.annotate(
            name,
            (0.995, value),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color="0.35",
        )
    axes.set_xlabel("seconds of training on two cores")
    axes.set_ylabel("validation accuracy, %")
    axes.set_ylim(50, 100)
    axes.set_xlim(0)
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(target)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])

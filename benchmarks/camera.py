"""Benchmark of the simulated camera: speed, event counts, and transfer to real recordings.

    python benchmarks/camera.py speed                 seconds for 60,000 images, with binning
    python benchmarks/camera.py counts                events and active cells beside the real ones
    python benchmarks/camera.py transfer --seeds 3    a classifier trained on simulated MNIST, tested on
                                                      simulated and on real recordings
    python benchmarks/camera.py picture FILE.png      frames of real and simulated recordings
    python benchmarks/camera.py others                events, cells and seconds of the other cameras, on
                                                      images of Caltech101 (--caltech101, a folder of
                                                      folders of .jpg) and CIFAR-10 (--cifar10, an .npz)
    python benchmarks/camera.py sensor                a smaller plane: events pooled, or a coarser sensor

Counts, transfer and picture need MNIST (--mnist, an .npz) and recordings of its training images in
N-MNIST's layout (--recordings, file 00001.bin being training image 0). Those images are kept out of the
training set.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from neurosim.data import events, frames
from neurosim.data.camera import camera
from neurosim.data.sets import nmnist

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
HIDDEN, BETA, STEPS = 128, 0.9, 10


def recordings(folder):
    """Numbers (of MNIST's training images), labels and events of all recordings in a folder."""
    found = []
    for part in nmnist.PARTS:
        for path, label in zip(*nmnist.files(folder, part), strict=True):
            found.append((int(path.stem) - 1, int(label), nmnist.read(path)))
    found.sort(key=lambda one: one[0])
    numbers, labels, recorded = zip(*found, strict=True)
    return np.array(numbers), np.array(labels, np.uint8), list(recorded)


def speed(arguments):
    images = np.resize(np.load(arguments.mnist)["train_x"], (60_000, 28, 28))
    camera.bits(images[:10])
    start, work = time.perf_counter(), time.process_time()
    camera.bits(images)
    took, worked = time.perf_counter() - start, time.process_time() - work
    print(f"60,000 images to frames: {took:.1f} s, {worked:.1f} s of processor time")


def counts(arguments):
    mnist = np.load(arguments.mnist)
    numbers, labels, real = recordings(arguments.recordings)
    simulated = camera.record(mnist["train_x"][numbers], indices=numbers)
    print("mean of a recording      events  p = 1  active cells in each of ten bins")
    for name, recorded in (("real", real), ("simulated", simulated)):
        made = frames.unpack(frames.from_events(recorded, labels, nmnist.binning(STEPS)))
        cells = " ".join(f"{cell:4.0f}" for cell in made.sum(2, dtype=np.int64).mean(0))
        both = np.concatenate(recorded)
        print(f"{name:24s} {len(both) / len(recorded):6.0f}  {both['p'].mean():.3f}  {cells}")
    print("\nevents in 10 ms, p = 0 and p = 1")
    for name, recorded in (("real", real), ("simulated", simulated)):
        both = np.concatenate(recorded)
        for p in (0, 1):
            rate = np.histogram(both["t"][both["p"] == p], np.arange(0, 320_000, 10_000))[0]
            print(f"{name:10s} {p}  " + " ".join(f"{r:3.0f}" for r in rate / len(recorded)))


def train(bits, labels, seed, epochs):
    """A float 2312-128-10 LIF network, trained by surrogate gradients; returns its classifier."""
    import torch

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(context, above):
            context.save_for_backward(above)
            return (above >= 0).float()

        @staticmethod
        def backward(context, gradient):
            (above,) = context.saved_tensors
            return gradient / (1 + 2 * above.abs()) ** 2

    torch.manual_seed(seed)
    inputs = nmnist.binning().plane.inputs
    first, second = torch.nn.Linear(inputs, HIDDEN), torch.nn.Linear(HIDDEN, 10)
    torch.nn.init.normal_(first.weight, 0, 0.03)
    parameters = [*first.parameters(), *second.parameters()]
    batches = len(bits) // 256
    adam = torch.optim.Adam(parameters, 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 2e-3, total_steps=epochs * batches)

    def network(packed):
        made = frames.unpack(frames.Frames(packed, np.zeros(len(packed), np.uint8), inputs))
        current = first(torch.from_numpy(made).float())
        mem, readout, total = torch.zeros(len(packed), HIDDEN), torch.zeros(len(packed), 10), 0
        for step in range(STEPS):
            mem = BETA * mem + current[:, step]
            spk = Spike.apply(mem - 1)
            mem = mem * (1 - spk)
            readout = BETA * readout + second(spk)
            total = total + readout
        return total / STEPS

    targets = torch.from_numpy(labels.astype(np.int64))
    for epoch in range(epochs):
        order = np.random.default_rng((seed, epoch)).permutation(len(bits))
        for place in order[: batches * 256].reshape(batches, 256):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(network(bits[place]), targets[place]).backward()
            adam.step()
            schedule.step()

    def accuracy(packed, truth):
        with torch.no_grad():
            parts = [network(packed[i : i + 500]).argmax(1) for i in range(0, len(packed), 500)]
        return 100 * float((torch.cat(parts).numpy() == truth).mean())

    return accuracy


def transfer(arguments):
    mnist = np.load(arguments.mnist)
    numbers, labels, recorded = recordings(arguments.recordings)
    real = frames.from_events(recorded, labels, nmnist.binning(STEPS)).bits
    kept = np.setdiff1d(np.arange(len(mnist["train_x"])), numbers)[: arguments.images]
    bits = camera.bits(mnist["train_x"][kept], indices=kept, steps=STEPS)
    test = camera.bits(mnist["test_x"], split=1, steps=STEPS)
    for seed in range(arguments.seeds):
        accuracy = train(bits, mnist["train_y"][kept], seed, arguments.epochs)
        print(
            f"seed {seed}: trained on {len(kept)} simulated images, {arguments.epochs} epochs: "
            f"{accuracy(test, mnist['test_y']):.2f} % on {len(test)} simulated, "
            f"{accuracy(real, labels):.2f} % on {len(real)} real recordings",
            flush=True,
        )


def picture(arguments):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    mnist = np.load(arguments.mnist)
    numbers, _, real = recordings(arguments.recordings)
    simulated = camera.record(mnist["train_x"][numbers], indices=numbers)
    figure, axes = plt.subplots(8, STEPS, figsize=(STEPS, 8))
    for row, axis in enumerate(axes):
        recorded = (real, simulated)[row % 2][row // 2]
        made = frames.count(recorded, nmnist.binning(STEPS)).reshape(STEPS, 2, 34, 34)
        for step in range(STEPS):
            axis[step].imshow(made[step, 1] - made[step, 0], cmap="seismic", vmin=-5, vmax=5)
            axis[step].set(xticks=[], yticks=[])
        axis[0].set_ylabel(("real", "simulated")[row % 2])
    figure.tight_layout(pad=0.2)
    figure.savefig(arguments.file)


def others_images(arguments, count):
    """Images of Caltech101 (a list, of different sizes) and of CIFAR-10, by the name of their camera."""
    from PIL import Image

    files = sorted(arguments.caltech101.glob("*/*.jpg"))[:: 9144 // count]
    caltech = [np.asarray(Image.open(file).convert("L")) for file in files]
    with np.load(arguments.cifar10) as archive:
        return {"ncaltech101": caltech, "cifar10dvs": archive["test_x"][:count]}


def others(arguments):
    print(
        "camera       images/s  events  5 % .. 95 %      p = 1  last, ms  active cells, ten bins, %"
    )
    for name, shown in others_images(arguments, 100).items():
        chosen = camera.by_name(name)
        camera.bits(shown[:1], camera=chosen)
        start = time.process_time()
        packed = camera.bits(shown, camera=chosen)
        took = time.process_time() - start
        recorded = camera.record(shown, camera=chosen)
        count = np.array([*map(len, recorded)])
        low, high = np.percentile(count, [5, 95])
        cells = 2 * chosen.sensor[0] * chosen.sensor[1]
        active = 100 * np.bitwise_count(packed).sum((0, 2)) / len(shown) / cells
        print(
            f"{name:12s} {len(shown) / took:8.1f} {count.mean():7.0f} {low:7.0f} .. {high:6.0f}"
            f" {np.mean([r['p'].mean() for r in recorded]):8.3f}"
            f" {np.mean([r['t'][-1] for r in recorded]) / 1000:9.1f}  "
            + " ".join(f"{share:3.0f}" for share in active)
        )


def coarser(chosen, times):
    """A camera whose sensor has so many times fewer rows and columns, before the same moving scene."""

    def smaller(pair):
        return tuple(one // times for one in pair)

    return replace(
        chosen,
        sensor=smaller(chosen.sensor),
        field=smaller(chosen.field),
        path=tuple((x / times, y / times) for x, y in chosen.path),
        where=chosen.where / times,
        stray=chosen.stray / times**2,
    )


def sensor(arguments):
    print(
        "camera       plane   way      images/s  active cells, ten bins, %                correlation"
    )
    for name, shown in others_images(arguments, 100).items():
        chosen, times = camera.by_name(name), 5 if name == "ncaltech101" else 4
        small = coarser(chosen, times)
        rows, columns = small.sensor
        made = {}
        for way, options in (
            (
                "pooled",
                {
                    "camera": chosen,
                    "cells": frames.divide(camera.sensor_of(chosen), plane=small.sensor),
                },
            ),
            ("coarser", {"camera": small}),
        ):
            camera.bits(shown[:1], **options)
            start = time.process_time()
            packed = camera.bits(shown, **options)
            took = time.process_time() - start
            inputs = events.POLARITIES * rows * columns
            labels = np.zeros(len(shown), np.uint8)
            made[way] = frames.unpack(frames.Frames(packed, labels, inputs)).astype(np.float32)
            pair = np.corrcoef(made["pooled"].ravel(), made[way].ravel())[0, 1]
            active = 100 * made[way].mean((0, 2))
            print(
                f"{name:12s} {rows} x {columns} {way:8s} {len(shown) / took:8.1f}  "
                + " ".join(f"{share:3.0f}" for share in active)
                + f"  {pair:.2f}"
            )


MEASURES = {
    "speed": speed,
    "counts": counts,
    "transfer": transfer,
    "picture": picture,
    "others": others,
    "sensor": sensor,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measure", choices=tuple(MEASURES))
    parser.add_argument("file", nargs="?", type=Path, default=Path("camera.png"))
    parser.add_argument("--mnist", type=Path, default=SHARED / "mnist.npz")
    parser.add_argument("--recordings", type=Path, default=SHARED / "NMNIST")
    parser.add_argument(
        "--caltech101", type=Path, default=SHARED / "caltech101/101_ObjectCategories"
    )
    parser.add_argument("--cifar10", type=Path, default=SHARED / "cifar10/cifar10-grey.npz")
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    MEASURES[arguments.measure](arguments)


if __name__ == "__main__":
    main()

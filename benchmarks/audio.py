"""Benchmark of the integer cochlea: speed, accuracy of a linear classifier, comparison with SHD's encoder.

    python benchmarks/audio.py speed      seconds for all spoken digits, by number of channels
    python benchmarks/audio.py digits     accuracy of a linear classifier on binned spikes, by kind of spike
    python benchmarks/audio.py shd        spikes by channel and time beside those of lauscher, the encoder
                                          that SHD was made with

The first two need the Free Spoken Digit Dataset (--digits, a folder of .wav files). The last needs a folder
with spoken_digit.flac and lauscher's output (--shd), and the package soundfile.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from neurosim.data.audio import encoder, wav
from neurosim.data.audio.cochlea import Cochlea
from neurosim.data.sets import audio

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CHANNELS = 70
"""Of lauscher's recorded output; SHD has 700."""


def speed(arguments):
    for channels in (16, 64, 128, 700):
        found = audio.read(arguments.digits, Cochlea(channels=channels))
        numbers = np.arange(len(found.files))
        found.bits(numbers[:10], 10)
        start, work = time.perf_counter(), time.process_time()
        found.bits(numbers, 10)
        took, worked = time.perf_counter() - start, time.process_time() - work
        print(f"{channels} channels: {took:.1f} s, {worked:.1f} s of processor time")


def digits(arguments):
    """Logistic regression; tested on the official test set, and on a speaker it was not trained on."""
    from sklearn.linear_model import LogisticRegression

    print("spikes  channels  bins  active, %  official test  speaker left out, mean of all")
    for spikes, channels in (("level", 64), ("onset", 64), ("both", 64), ("both", 32)):
        found = audio.read(arguments.digits, Cochlea(spikes=spikes, channels=channels))
        packed = found.bits(np.arange(len(found.files)), arguments.bins)
        dense = np.unpackbits(packed.view(np.uint8), axis=-1, bitorder="little")
        dense = dense[:, :, : found.units].reshape(len(packed), -1).astype(np.float32)

        def accuracy(test, dense=dense, labels=found.labels):
            model = LogisticRegression(C=0.02, max_iter=60).fit(dense[~test], labels[~test])
            return 100 * model.score(dense[test], labels[test])

        speakers = [accuracy(found.groups == group) for group in range(len(found.group_names))]
        print(
            f"{spikes:6s} {channels:6d} {arguments.bins:8d} {100 * dense.mean():9.1f} "
            f"{accuracy(found.test):10.1f} {np.mean(speakers):12.1f}   "
            + " ".join(f"{one:.0f}" for one in speakers)
        )


def shd(arguments):
    import soundfile

    samples, rate = soundfile.read(arguments.shd / "spoken_digit.flac", dtype="int32")
    spoken = wav.Sound((samples >> 8).astype(np.int32), rate)
    jackson = wav.read(arguments.digits / "7_jackson_32.wav")
    print(
        "recording             spikes: lauscher's, level, onset   correlation by channel, by 20 ms"
    )
    for name, sound in (
        ("lauscher-reference", spoken),
        ("lauscher-second-run", spoken),
        ("fsdd_7_jackson_32", jackson),
    ):
        with np.load(arguments.shd / f"{name}.npz") as archive:
            seconds, channel = archive["arr_0"]
        theirs = _rates(seconds, channel.astype(np.int64))
        line, pairs = f"{name:20s} {len(seconds):6d}", []
        for kind in ("level", "onset"):
            chosen = Cochlea(channels=CHANNELS, spikes=kind, trim_db=0.0, window_ms=1000)
            t, unit = encoder.encode(sound, chosen)
            ours = _rates(t / 1e6, CHANNELS - 1 - unit)
            line += f" {len(t):6d}"
            pairs += [np.corrcoef(a, b)[0, 1] for a, b in zip(ours, theirs, strict=True)]
        print(f"{line}   level {pairs[0]:.2f} {pairs[1]:.2f}, onset {pairs[2]:.2f} {pairs[3]:.2f}")


def _rates(seconds, channel):
    """Spikes by channel, five channels smoothed, and in 20 ms; lauscher's channel 0 is the highest."""
    by_channel = np.convolve(np.bincount(channel, minlength=CHANNELS), np.ones(5) / 5, "same")
    return by_channel, np.histogram(seconds, np.arange(0, 0.86, 0.02))[0]


MEASURES = {"speed": speed, "digits": digits, "shd": shd}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measure", choices=tuple(MEASURES))
    parser.add_argument("--digits", type=Path, default=SHARED / "spoken-digits/recordings")
    parser.add_argument("--shd", type=Path, default=SHARED / "shd")
    parser.add_argument("--bins", type=int, default=20)
    arguments = parser.parse_args()
    MEASURES[arguments.measure](arguments)


if __name__ == "__main__":
    main()

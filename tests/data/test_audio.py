"""Sounds as spikes: equal bits with the oracle, widths that hold, files that are read or refused."""

import contextlib
import hashlib
import struct
import wave
from dataclasses import replace
from pathlib import Path

import naive_audio
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.data.audio import cochlea as design
from neurosim.data.audio import encoder, wav
from neurosim.data.audio.cochlea import Cochlea
from neurosim.data.audio.wav import AudioError, Sound
from neurosim.data.sets import audio as recordings
from neurosim.kernels.data import filterbank

SMALL = Cochlea(channels=5, window_ms=60, trim_db=0.0)


def tone(hz, rate=8000, milliseconds=60, peak=20_000):
    """A sine as a wave file of 16 bits would hold it."""
    at = np.arange(rate * milliseconds // 1000)
    return np.round(peak * np.sin(2 * np.pi * hz * at / rate)).astype("<i2")


def sound_of(samples, rate=8000):
    return Sound(samples.astype(np.int32) << 8, rate)


def write(path, samples, rate=8000, width=2, channels=1):
    """A .wav file by Python's own writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples if isinstance(samples, bytes) else samples.tobytes())
    return path


@st.composite
def cases(draw):
    """A short sound of full scale and a cochlea for it."""
    rate = draw(st.sampled_from([8000, 11_025, 48_000]))
    chosen = Cochlea(
        channels=draw(st.integers(1, 4)),
        spacing=draw(st.sampled_from(["erb", "mel"])),
        low_hz=draw(st.integers(60, 900)),
        high_hz=draw(st.none() | st.integers(1000, 3900)),
        spikes=draw(st.sampled_from(["level", "onset", "both"])),
        hop_us=draw(st.sampled_from([500, 1000, 1700])),
        floor_db=draw(st.sampled_from([40.0, 70.0])),
        charge_us=draw(st.sampled_from([1000, 20_000])),
        silent_us=draw(st.sampled_from([0, 2000])),
        rise_db=draw(st.sampled_from([1.0, 6.0])),
        window_ms=draw(st.integers(10, 30)),
        trim_db=0.0,
        normalise=draw(st.booleans()),
    )
    seed, kind = draw(st.integers(0, 999)), draw(st.integers(0, 2))
    random, count = np.random.default_rng(seed), draw(st.integers(1, rate // 50))
    samples = [
        lambda: random.integers(-32768, 32768, count),
        lambda: np.where(random.random(count) < 0.5, 32767, -32768),
        lambda: tone(draw(st.integers(50, 3500)), rate, 40)[:count] + 1,
    ][kind]()
    return sound_of(np.asarray(samples), rate), chosen


@given(cases())
def test_spikes_are_the_oracles(case):
    sound, chosen = case
    heard = encoder.prepared(sound, chosen).tolist()
    expected = naive_audio.encode(
        heard, design.bank(chosen, sound.rate), design.cells(chosen, sound.rate), chosen.steps
    )
    assert [tuple(one) for one in np.argwhere(encoder.raster(sound, chosen)).tolist()] == expected
    spikes = encoder.encode(sound, chosen)
    assert [*zip(spikes.t // chosen.hop_us, spikes.unit, strict=True)] == expected


def test_uncompiled_kernels_agree():
    sound = sound_of(tone(400, milliseconds=20))
    heard = encoder.prepared(sound, SMALL)
    made = []
    for kernel in (filterbank.encode, filterbank.encode.py_func):
        spikes = np.zeros((SMALL.steps, SMALL.units), np.uint8)
        kernel(heard, design.bank(SMALL, 8000), design.cells(SMALL, 8000), spikes)
        made.append(spikes.tobytes())
    assert made[0] == made[1]
    assert any(made[0])


@given(st.integers(-3, (1 << 40)) | st.integers(0, 62).map(lambda power: 1 << power))
def test_levels_are_the_oracles(value):
    expected = naive_audio.log2_level(value)
    assert filterbank.log2_level(np.int64(value)) == expected
    assert filterbank.log2_level.py_func(value) == expected


@given(
    st.integers(1, 60),
    st.sampled_from(["erb", "mel"]),
    st.integers(60, 1500),
    st.sampled_from([8000, 16_000, 44_100, 48_000, 96_000]),
)
def test_no_sound_leaves_the_width(channels, spacing, low, rate):
    """The worst sound for a channel has the sign of its impulse response, turned round."""
    chosen = Cochlea(channels=channels, spacing=spacing, low_hz=low)
    bank = design.bank(chosen, rate)
    bound = design.largest_output(bank)
    assert bound.max() < 1 << filterbank.OUTPUT_BITS
    widest = (1 << filterbank.COEFFICIENT_BITS + 1) * (1 << filterbank.OUTPUT_BITS)
    widest += 2 * (1 << filterbank.COEFFICIENT_BITS) * (1 << filterbank.OUTPUT_BITS)
    assert max(abs(values).max() for values in bank) <= 1 << filterbank.COEFFICIENT_BITS + 1
    assert widest <= 1 << 63
    pick = design.bank(chosen, rate)
    one = filterbank.Bank(*(values[:1].copy() for values in pick))
    count = min(rate // 10, 3000)
    impulse = np.zeros(count, np.int64)
    impulse[0] = 1 << filterbank.SOUND_BITS - 1
    response = outputs(impulse, one)
    worst = np.sign(response[::-1]) * ((1 << filterbank.SOUND_BITS) - 1)
    reached = np.abs(outputs(worst, one)).max()
    assert reached <= bound[0]
    assert reached > bound[0] / 4


def outputs(sound, bank):
    """What the last stage of a single channel puts out, sample by sample."""
    once, twice = np.zeros((4, 1), np.int64), np.zeros((4, 1), np.int64)
    envelope, found = np.zeros(1, np.int64), []
    for n in range(len(sound)):
        filterbank.listen(sound[n : n + 1], bank, 1, once, twice, envelope)
        found.append(int(once[3, 0]))
    return np.array(found)


def test_a_tone_is_loudest_in_its_own_channel():
    chosen = Cochlea(channels=40, spikes="level", window_ms=300, trim_db=0.0)
    hz = design.centres(chosen, 8000)
    assert (np.diff(hz) > 0).all()
    for channel in (8, 20, 35):
        spikes = encoder.encode(sound_of(tone(hz[channel], milliseconds=300)), chosen)
        count = np.bincount(spikes.unit, minlength=40)
        envelope = np.zeros(40, np.int64)
        state = np.zeros((4, 40), np.int64), np.zeros((4, 40), np.int64)
        heard = encoder.prepared(sound_of(tone(hz[channel], milliseconds=300)), chosen)
        filterbank.listen(heard, design.bank(chosen, 8000), 400, *state, envelope)
        assert abs(int(envelope.argmax()) - channel) <= 1
        assert count[channel] == count.max() > 2 * count.mean()


def test_spacing_is_that_of_its_formula():
    erb = design.centres(Cochlea(channels=5, low_hz=100, high_hz=3000), 8000)
    assert np.allclose(np.diff(21.4 * np.log10(1 + 0.00437 * erb), n=2), 0)
    mel = design.centres(Cochlea(channels=5, low_hz=100, high_hz=3000, spacing="mel"), 8000)
    assert np.allclose(np.diff(2595 * np.log10(1 + mel / 700), n=2), 0)
    assert np.allclose([erb[0], erb[-1], mel[0], mel[-1]], [100, 3000, 100, 3000])


def test_loudness_does_not_matter_once_normalised():
    loud, soft = sound_of(tone(500, peak=32_000)), sound_of(tone(500, peak=320))
    assert len(encoder.encode(loud, SMALL).t) > 0
    plain = replace(SMALL, normalise=False)
    assert len(encoder.encode(soft, plain).t) < len(encoder.encode(loud, plain).t)
    same = sound_of(tone(500, peak=16_000)), sound_of(tone(500, peak=16_000) * np.int32(2))
    made = [encoder.raster(sound, SMALL).tobytes() for sound in same]
    assert made[0] == made[1]


def test_silence_is_trimmed_and_the_margin_kept():
    loud = tone(500, milliseconds=100)
    quiet = np.zeros(8 * 200, "<i2")
    sound = sound_of(np.concatenate([quiet, loud, quiet]))
    assert encoder.loud_part(sound, 30.0) == (1600, 2400)
    assert encoder.loud_part(sound, 30.0, 15) == (1600 - 120, 2400 + 120)
    assert encoder.loud_part(sound, 30.0, 1000) == (0, len(sound.samples))
    assert encoder.loud_part(sound, 0.0) == (0, len(sound.samples))


def test_bits_are_those_of_the_spikes_at_any_thread_count(tmp_path):
    files = [write(tmp_path / f"{hz}.wav", tone(hz)) for hz in (200, 700, 1500, 2500)]
    before = numba.get_num_threads()
    try:
        made = []
        for threads in {1, numba.config.NUMBA_NUM_THREADS}:
            numba.set_num_threads(threads)
            made.append(encoder.bits(files, SMALL, steps=7))
    finally:
        numba.set_num_threads(before)
    expected = np.zeros((len(files), 7, SMALL.units), np.uint8)
    for number, file in enumerate(files):
        t, unit = encoder.encode(file, SMALL)
        expected[number, t * 7 // (1000 * SMALL.window_ms), unit] = 1
    for bits in made:
        dense = np.unpackbits(bits.view(np.uint8), axis=-1, bitorder="little")
        assert np.array_equal(dense[:, :, : SMALL.units], expected)
        assert not dense[:, :, SMALL.units :].any()
    done = []
    encoder.bits(files, SMALL, progress=done.append)
    assert done == [1] * 4


def test_the_same_sound_gives_the_same_spikes_everywhere():
    """Measured once; another machine, numpy or numba that differs here would differ in training."""
    noise = np.random.default_rng(0).integers(-9000, 9000, 4000).astype("<i2")
    spikes = encoder.encode(sound_of(noise, 16_000))
    digest = hashlib.sha256(b"".join(one.astype("<i8").tobytes() for one in spikes)).hexdigest()
    assert digest[:16] == "6120f5ca4b203577"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("channels", 701),
        ("channels", 3.5),
        ("channels", True),
        ("spacing", "bark"),
        ("spikes", "all"),
        ("hop_us", 10),
        ("window_ms", 0),
        ("normalise", 1),
        ("trim_db", -1.0),
        ("floor_db", "low"),
        ("high_hz", 10),
    ],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(AudioError, match=setting):
        Cochlea(**{setting: value})


def test_channels_that_the_rate_cannot_hold_are_refused():
    with pytest.raises(AudioError, match=r"from 60 to 5000 Hz; at 8000 samples .* high_hz < 4000"):
        encoder.encode(sound_of(tone(500)), Cochlea(high_hz=5000))
    with pytest.raises(AudioError, match="needed is low_hz < high_hz"):
        encoder.encode(sound_of(tone(500)), Cochlea(low_hz=3600))


# --- files ---------------------------------------------------------------------------------------


@given(st.sampled_from([1, 2, 3, 4]), st.integers(1, 3), st.integers(1, 40), st.integers(0, 99))
def test_every_width_and_channel_is_read(width, channels, count, seed):
    raw = np.random.default_rng(seed).integers(0, 256, width * channels * count, np.uint8).tobytes()
    file = riff(chunk(b"fmt ", layout(width, channels)), chunk(b"data", raw))
    expected = []
    for sample in range(count):
        total = 0
        for channel in range(channels):
            at = (sample * channels + channel) * width
            value = int.from_bytes(raw[at : at + width], "little", signed=width > 1)
            total += (value - 128 if width == 1 else value) * 256**3 // 256**width
        expected.append(total // channels)
    if any(expected):
        sound = wav.decode(file)
        assert sound.samples.tolist() == expected
        assert sound.samples.dtype == np.int32
        assert sound.rate == 8000


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def layout(width=2, channels=1, rate=8000, kind=1):
    block = width * channels
    return struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, 8 * width)


def riff(*chunks):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


DATA = chunk(b"data", b"\1\0" * 6)


def test_pythons_own_reader_agrees(tmp_path):
    path = write(tmp_path / "tone.wav", tone(300))
    with wave.open(str(path)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.array_equal(wav.read(path).samples, frames.astype(np.int32) << 8)


def test_other_chunks_and_the_long_header_are_read():
    guid = struct.pack("<HHIH", 22, 16, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")
    long = chunk(b"fmt ", layout(kind=0xFFFE) + guid)
    for file in (
        riff(chunk(b"LIST", b"odd"), chunk(b"fmt ", layout()), chunk(b"fact", b"1234"), DATA),
        riff(long, DATA, chunk(b"LIST", b"more")),
    ):
        assert wav.decode(file).samples.tolist() == [256] * 6


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "begins with nothing"),
        (bytes(64), "begins with 00 00"),
        (
            riff(chunk(b"fmt ", layout()), DATA)[:-5],
            r"chunk b'data' at byte 36 has 12 bytes by its header, and 7 follow",
        ),
        (riff(chunk(b"fmt ", layout())), "ends at byte 36 with no chunk b'data'"),
        (riff(DATA), "b'data' at byte 12 comes before"),
        (riff(chunk(b"fmt ", layout(kind=3, width=4)), DATA), "says format 3 with 32 bits"),
        (riff(chunk(b"fmt ", layout(width=8)), DATA), "format 1 with 64 bits"),
        (riff(chunk(b"fmt ", layout()[:10]), DATA), "b'fmt ' at byte 12 has 10 bytes"),
        (riff(chunk(b"fmt ", layout(channels=0)), DATA), "says 0 channels"),
        (riff(chunk(b"fmt ", layout(rate=5)), DATA), r"at 5 Hz; needed .* 1000\.\.384000 Hz"),
        (
            riff(chunk(b"fmt ", layout(channels=5)), DATA),
            "has 12 bytes; needed is a multiple of 10",
        ),
        (riff(chunk(b"fmt ", layout()), chunk(b"data", b"")), "has 0 bytes"),
        (riff(chunk(b"fmt ", layout()), chunk(b"data", bytes(8))), "4 samples that are all 0"),
    ],
)
def test_damaged_files_are_refused_with_name_and_place(tmp_path, raw, said):
    path = tmp_path / "broken.wav"
    path.write_bytes(raw)
    with pytest.raises(AudioError, match=said) as raised:
        wav.read(path)
    assert str(path) in str(raised.value)


@given(st.integers(0, 55), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(place, value):
    raw = bytearray(riff(chunk(b"fmt ", layout()), DATA))
    raw[place] = value
    with contextlib.suppress(AudioError):
        assert len(wav.decode(bytes(raw)).samples) > 0


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(AudioError, match="No such file"):
        wav.read(tmp_path / "none.wav")


# --- folders -------------------------------------------------------------------------------------


def digits_folder(folder: Path) -> Path:
    for digit in range(10):
        for speaker in ("ann", "bob"):
            for index in (0, 4, 5, 11):
                hz = 200 + 200 * digit + index
                write(folder / f"{digit}_{speaker}_{index}.wav", tone(hz))
    return folder


def test_spoken_digits_have_speakers_and_a_test_set(tmp_path):
    folder = digits_folder(tmp_path)
    for name in (".DS_Store", "._0_ann_0.wav", "README.md"):
        (folder / name).write_bytes(b"x")
    found = recordings.read(folder, SMALL)
    assert len(found.files) == len(found.labels) == 80
    assert found.classes == tuple("0123456789")
    assert found.group_names == ("ann", "bob")
    assert found.ignored == ("README.md",)
    assert found.test.sum() == 40
    for path, label, group, test in zip(
        found.files, found.labels, found.groups, found.test, strict=True
    ):
        digit, speaker, index = path.stem.split("_")
        assert (int(digit), speaker) == (label, found.group_names[group])
        assert test == (int(index) < 5)
    assert (found.duration_us, found.units) == (60_000, 10)
    numbers = np.array([3, 70])
    bits = found.bits(numbers, 6)
    assert np.array_equal(bits, encoder.bits([found.files[3], found.files[70]], SMALL, steps=6))
    assert np.array_equal(found.events(3).t, encoder.encode(found.files[3], SMALL).t)


def test_the_content_is_that_of_files_labels_and_settings(tmp_path):
    folder = digits_folder(tmp_path)
    before = recordings.read(folder, SMALL).content()
    assert before == recordings.read(folder, SMALL).content()
    assert before != recordings.read(folder, replace(SMALL, channels=6)).content()
    write(folder / "0_ann_0.wav", tone(999))
    assert before != recordings.read(folder, SMALL).content()


def test_a_folder_for_each_class(tmp_path):
    for name in ("yes", "no"):
        for number in range(2):
            write(tmp_path / name / f"{number}.WAV", tone(300))
    (tmp_path / "yes" / "note.txt").write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    found = recordings.read(tmp_path, SMALL)
    assert found.classes == ("no", "yes")
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.ignored == ("yes/note.txt",)
    assert found.groups is None
    assert found.test is None


def test_folders_that_lack_something_are_refused(tmp_path):
    with pytest.raises(AudioError, match="no such folder"):
        recordings.read(tmp_path / "none")
    with pytest.raises(AudioError, match=r"0 folders and no \.wav file"):
        recordings.read(tmp_path)
    folder = digits_folder(tmp_path / "digits")
    for file in folder.glob("3_*"):
        file.unlink()
    with pytest.raises(AudioError, match="no recording of 3; needed is"):
        recordings.read(folder)
    write(folder / "hello.wav", tone(300))
    with pytest.raises(AudioError, match=r"hello\.wav: not named <digit>_<speaker>_<index>"):
        recordings.read(folder)
    (folder / "sub").mkdir()
    with pytest.raises(AudioError, match=r"either .* not both"):
        recordings.read(folder)
    for name in ("a", "b"):
        (tmp_path / "classes" / name).mkdir(parents=True)
    write(tmp_path / "classes/a/1.wav", tone(300))
    with pytest.raises(AudioError, match=r"b: no \.wav file in it"):
        recordings.read(tmp_path / "classes")


def test_recorded_digits_are_classified(shared):
    """The nearest mean of spikes in ten bins, far above chance."""
    folder = shared / "data/spoken-digits/recordings"
    found = recordings.read(folder)
    assert (len(found.files), found.test.sum(), len(found.group_names)) == (3000, 300, 6)
    numbers = np.flatnonzero(found.groups < 2)[::3]
    bits = found.bits(numbers, 10)
    dense = np.unpackbits(bits.view(np.uint8), axis=-1).reshape(len(numbers), -1).astype(np.int64)
    test, labels = np.arange(len(numbers)) % 4 == 0, found.labels[numbers]
    means = np.stack([dense[~test & (labels == digit)].mean(0) for digit in range(10)])
    distance = ((dense[test, None] - means) ** 2).sum(2)
    assert (distance.argmin(1) == labels[test]).mean() > 0.5

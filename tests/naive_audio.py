"""Integer cochlea, sample by sample in Python integers, from the docstrings of its kernel."""


def log2_level(value):
    """log2 in 1/256, linear between powers of two."""
    if value <= 0:
        return 0
    power = value.bit_length() - 1
    return 256 * power + ((value - (1 << power)) * 256 >> power)


def envelope_of(sound, gain, back_1, back_2, smooth):
    """A channel's envelope after each sample."""
    once, twice, envelope, after = [0] * 4, [0] * 4, 0, []
    for y in sound:
        for k in range(4):
            new = gain * y + back_1 * once[k] - back_2 * twice[k] + (1 << 27) >> 28
            once[k], twice[k], y = new, once[k], new
        envelope += (max(y, 0) - envelope) * smooth >> 16
        after.append(envelope)
    return after


def level_spikes(drives, cells):
    """Steps in which the level neuron spikes."""
    v, silent, found = 0, 0, []
    for step, drive in enumerate(drives):
        if silent:
            silent -= 1
            continue
        v += drive - (v * cells.leak >> 16)
        if v >= cells.threshold:
            v, silent = 0, cells.refractory
            found.append(step)
    return found


def onset_spikes(drives, cells):
    """Steps in which the onset neuron spikes."""
    reference, found = 0, []
    for step, drive in enumerate(drives):
        if drive < reference:
            reference = drive + ((reference - drive) * (65536 - cells.forget) >> 16)
        elif drive - reference >= cells.rise:
            reference = drive
            found.append(step)
    return found


def encode(sound, bank, cells, steps):
    """Spikes (step, unit), sorted."""
    channels, found = len(bank.gain), []
    for c in range(channels):
        coefficients = [int(values[c]) for values in bank]
        after = [0, *envelope_of(sound, *coefficients, cells.smooth)]
        drives = []
        for step in range(steps):
            heard = (step + 1) * cells.hop_us * cells.rate // 1_000_000
            drives.append(max(log2_level(after[min(heard, len(sound))]) - cells.floor, 0))
            if heard >= len(sound):
                break
        if cells.level:
            found += [(step, c) for step in level_spikes(drives, cells)]
        if cells.onset:
            found += [(step, channels * cells.level + c) for step in onset_spikes(drives, cells)]
    return sorted(found)

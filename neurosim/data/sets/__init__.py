"""Registry of data sets: names, openers and the options that each can use. A data set is a file here."""

from neurosim.data.sets import (
    audio,
    cifar10dvs,
    cue_accumulation,
    digits,
    dvsgesture,
    events,
    images,
    ncaltech101,
    nmnist,
    shd,
    spikes,
)
from neurosim.data.sets.base import Entry

ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        digits.ENTRY,
        images.ENTRY,
        spikes.ENTRY,
        events.ENTRY,
        audio.ENTRY,
        nmnist.ENTRY,
        ncaltech101.ENTRY,
        cifar10dvs.ENTRY,
        dvsgesture.ENTRY,
        shd.SHD,
        shd.SSC,
        cue_accumulation.ENTRY,
    )
}
NAMES = tuple(form for entry in ENTRIES.values() for form in entry.forms)
"""How data sets are asked for."""

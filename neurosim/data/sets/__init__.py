"""Registry of data sets: a name, what opens it, and which options it can use. A set is a file here."""

from neurosim.data.sets import digits, images, nmnist
from neurosim.data.sets.base import Entry

ENTRIES: dict[str, Entry] = {
    entry.name: entry for entry in (digits.ENTRY, images.ENTRY, nmnist.ENTRY)
}
NAMES = tuple(form for entry in ENTRIES.values() for form in entry.forms)
"""How data sets are asked for."""

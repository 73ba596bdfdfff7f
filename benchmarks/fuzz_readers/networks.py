"""Described networks."""

import random
from pathlib import Path

from fuzz_readers.damage import Attempt, edited
from neurosim.network import Network, NetworkError, Noise, Population
from neurosim.network.serialise import describe, network_of


def network(folder: Path) -> Attempt:
    """A described network with odd fields."""
    made = Network.chain(4, [Population("a", 3, (1, 2, 3), noise=Noise(3)), Population("b", 2, 9)])
    described = describe(made)

    def attempt(numbers: random.Random) -> str:
        document = edited(described, numbers)
        try:
            found = network_of(document)
        except NetworkError:
            return "refused"
        return "same" if found == made else "read"

    return attempt


READERS = {"network": network}

"""Settings with which a network that was not trained by this project's rules learns on.

Such networks come from float training or from a NIR graph. Their registers are their own, so that settings
choose the rules of learning and nothing else.
"""

from typing import Any

from learning.recipes import DEFAULT, RECIPES
from learning.settings import Settings
from neurosim.data.frames import Sensor
from neurosim.network import Network
from neurosim.population.emulated import why_emulated


def recipe_for(network: Network, readout: str) -> str:
    """The recipe that trains a network on, by its layers and by what its classes are read from."""
    if readout == "count":
        return "paper"
    if why_emulated(network):
        return "eggroll"
    one_hidden = network.is_dense_chain and len(network.populations) == 2
    return DEFAULT if one_hidden else "deep"


def settings_for(network: Network, readout: str, recipe: str) -> dict[str, Any]:
    """Settings of a recipe, with what the network leaves no choice of."""
    registers = network.populations[0]
    found = {
        **RECIPES[recipe][1].model_dump(),
        "readout": readout,
        **{name: int(registers.each(name)[0]) for name in ("vth_mant", "du", "dv")},
    }
    if network.is_dense_chain:
        found["hidden"] = tuple(population.neurons for population in network.populations[:-1])
    if found["feedback"] and not network.readouts[1:]:
        found["feedback"] = "gate"  # others learn from readouts that its hidden layers do not have
    return found


def without_shift(settings: Settings, sensor: Sensor) -> Settings:
    """The settings, without the shift of a recipe where samples have no plane to be moved on."""
    return settings if sensor.plane else settings.model_copy(update={"shift": 0})


def chosen(settings: Settings, recipe: str) -> str:
    """Message on the settings of further training, which began as a recipe's."""
    feedback = f", feedback {settings.feedback}" if settings.feedback else ""
    return (
        f"it learns on by recipe {recipe}{feedback}, {settings.generations:,} generations of "
        f"{settings.pairs:,} pairs\n(--generations changes how many; train --start RUN takes other settings)"
    )


def is_recipe(settings: Settings, recipe: str) -> bool:
    """Whether the rules and the population are those of a recipe."""
    own = RECIPES[recipe][1]
    return all(
        getattr(settings, name) == getattr(own, name) for name in ("method", "credit", "pairs")
    )

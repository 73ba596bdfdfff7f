"""Configuration of a run: settings, network, data and faults, as JSON with its own hash."""

from typing import Any, NamedTuple

from learning.rules.registry import unread
from learning.settings import Settings, network
from neurosim.data.sensor import Sensor
from neurosim.network import Network
from neurosim.network.faults import Faults
from neurosim.network.serialise import describe, network_of
from neurosim.storage import sealed

FORMAT = "neurosim-run/2"
READS = (FORMAT, "neurosim-run/1")
"""Formats that are read. The first names tensors by the number of a layer, not by its parameter, and may
hold settings that no rule of the run read; those had no effect and are left at their defaults."""
KNOWN = {
    "format",
    "settings",
    "dataset_key",
    "inputs",
    "classes",
    "network",
    "begun_sha256",
    "data",
    "origin",
    "faults",
}
"""Entries of the configuration."""


class DataAbout(NamedTuple):
    """Properties of the data that a run keeps: class names, the sensor of the frames, the window."""

    class_names: tuple[str, ...]
    sensor: Sensor
    window_us: int

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**self._asdict(), "sensor": self.sensor._asdict()}

    @classmethod
    def of_json(cls, content: dict[str, Any]) -> "DataAbout":
        """Raises KeyError, TypeError and ValueError for other content."""
        names, window = content["class_names"], content["window_us"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"class_names is {str(names)[:80]}; needed is a list of texts")
        if type(window) is not int or window < 1:
            raise ValueError(f"window_us is {window!r}; needed is a whole number above 0")
        return cls(tuple(names), Sensor(**content["sensor"]), window)


class Config(NamedTuple):
    """Configuration of a run.

    given         a network that the settings do not describe
    about         properties of the data set; None in run folders written before they were kept
    begun_sha256  `weights_sha256` of given initial weights; None where they are drawn from the seed
    origin        how the weights came about where this project's learning did not make them, as "bptt"
    faults        of the chip that the network is trained on; None for a sound chip
    """

    settings: Settings
    dataset_key: str
    inputs: int
    classes: int
    given: Network | None = None
    about: DataAbout | None = None
    begun_sha256: str | None = None
    origin: str = ""
    faults: Faults | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """One a class: numbers where the run folder does not name them."""
        return self.about.class_names if self.about else tuple(map(str, range(self.classes)))

    def network(self) -> Network:
        """The network of the run."""
        return self.given or network(self.settings, self.inputs, self.classes)

    def to_json(self) -> bytes:
        """The file config.json of a run folder, with its own hash."""
        content = {
            "format": FORMAT,
            "settings": self.settings.model_dump(mode="json"),
            "dataset_key": self.dataset_key,
            "inputs": self.inputs,
            "classes": self.classes,
        }
        if self.given is not None:
            content["network"] = describe(self.given)
        if self.begun_sha256 is not None:
            content["begun_sha256"] = self.begun_sha256
        if self.about is not None:
            content["data"] = self.about.to_json()
        if self.origin:
            content["origin"] = self.origin
        if self.faults is not None:
            content["faults"] = str(self.faults)
        return sealed(content)

    @classmethod
    def of_json(cls, content: dict[str, Any]) -> "Config":
        """The inverse of `to_json`, of content whose format is one of READS.

        Raises ValueError, KeyError, TypeError, AttributeError or OverflowError for other content.
        """
        for name in ("inputs", "classes"):
            if type(content[name]) is not int or not 1 <= content[name] <= 1 << 24:
                raise ValueError(f"{name} is {content[name]!r}; allowed are 1..{1 << 24}")
        optional = ("begun_sha256", "origin", "faults")
        texts = ("dataset_key", *(name for name in optional if name in content))
        for name in texts:
            if not isinstance(content[name], str):
                raise ValueError(f"{name} is {content[name]!r}; needed is text")
        unknown = set(content) - KNOWN
        if unknown:
            raise ValueError(f"{sorted(unknown)} are not known")
        config = cls(
            _settings(content["settings"], content["format"]),
            content["dataset_key"],
            content["inputs"],
            content["classes"],
            network_of(content["network"]) if "network" in content else None,
            DataAbout.of_json(content["data"]) if "data" in content else None,
            content.get("begun_sha256"),
            content.get("origin", ""),
            Faults.of_text(content["faults"]) if "faults" in content else None,
        )
        if len(config.class_names) != config.classes:
            raise ValueError(f"{len(config.class_names)} class names for {config.classes} classes")
        return config


def _settings(given: dict[str, Any], form: str) -> Settings:
    """Settings as a run folder holds them."""
    if form == READS[1]:
        fields = Settings.model_fields
        unvalidated = Settings.model_construct(**given)
        given = {**given, **{name: fields[name].default for name in unread(unvalidated)}}
    return Settings.model_validate(given)

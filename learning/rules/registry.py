"""Registry of learning rules: which rule each parameter of a run learns by.

`HIDDEN` and `OUTPUT` name the rules for hidden layers and for the readout. A rule is added by naming it
here. A setting that none of a run's rules reads is refused, so that two different commands never train
the same network.
"""

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from learning.rules.delta import DELTA
from learning.rules.eggroll import EGGROLL
from learning.rules.error_credit import ERROR_CREDIT
from learning.rules.event_aligned import EVENT_ALIGNED
from learning.rules.full_rank import FULL_RANK
from learning.rules.layer_credit import LAYER_CREDIT
from learning.rules.rule import Rule, RunSettings

HIDDEN: dict[str, Rule] = {
    rule.name: rule for rule in (EGGROLL, FULL_RANK, EVENT_ALIGNED, ERROR_CREDIT, LAYER_CREDIT)
}
"""Rules for hidden layers: the setting `method`; where `credit` is "error" error-credit, or layer-credit
with a `feedback`."""
BY_ERROR = (ERROR_CREDIT.name, LAYER_CREDIT.name)
FROZEN = Rule("frozen")
OUTPUT: dict[str, Rule] = {rule.name: rule for rule in (DELTA, EGGROLL, FROZEN)}
"""Rules for the readout, beside "same": the rule of the hidden layers."""
ON_NOISE = frozenset({"sigma_output", "output_rate"})
"""Settings that are read by a readout with noise: that of the hidden layers, or EGGROLL's."""


def methods() -> tuple[str, ...]:
    """Values of the setting `method`."""
    return tuple(name for name in HIDDEN if name not in BY_ERROR)


def known(setting: str, name: str, names: Sequence[str]) -> str:
    """`name`, or a ValueError that lists the names there are."""
    if name not in names:
        raise ValueError(f"{setting} {name!r} is not known; allowed are {', '.join(names)}")
    return name


def rules_of(settings: RunSettings, parameters: int) -> tuple[Rule, ...]:
    """The rule of each parameter, the readout last."""
    by_error = LAYER_CREDIT if settings.feedback is not None else ERROR_CREDIT
    hidden = by_error if settings.credit == "error" else HIDDEN[settings.method]
    output = hidden if settings.output_rule == "same" else OUTPUT[settings.output_rule]
    return (*(hidden,) * (parameters - 1), output)


def read_by(settings: RunSettings) -> frozenset[str]:
    """The settings that the rules of a run read, of those that not every run reads."""
    own = ON_NOISE if settings.output_rule in ("same", EGGROLL.name) else frozenset()
    return frozenset().union(own, *(rule.settings for rule in set(rules_of(settings, 2))))


def optional() -> frozenset[str]:
    """The settings that some rule reads and another does not."""
    every = (*HIDDEN.values(), *OUTPUT.values())
    return frozenset().union(ON_NOISE, *(rule.settings for rule in every))


def unread(settings: RunSettings) -> dict[str, object]:
    """Settings with another value than their default that no rule of the run reads."""
    fields = type(cast(BaseModel, settings)).model_fields
    return {
        name: getattr(settings, name)
        for name in sorted(optional() - read_by(settings))
        if getattr(settings, name) != fields[name].default
    }


def check_rules(settings: RunSettings) -> None:
    """Raise ValueError where a rule cannot work with the settings, or none reads one that was given."""
    rules = rules_of(settings, 2)
    for rule in dict.fromkeys(rules):
        rule.check(settings)
    for name, value in unread(settings).items():
        readers = [
            rule.name for rule in (*HIDDEN.values(), *OUTPUT.values()) if name in rule.settings
        ]
        where = " or ".join(dict.fromkeys(readers)) if readers else "output_rule 'same'"
        raise ValueError(
            f"{name} {value!r}: the rules of this run ({', '.join(dict.fromkeys(r.name for r in rules))}) "
            f"do not read it; leave it out, or use {where}"
        )

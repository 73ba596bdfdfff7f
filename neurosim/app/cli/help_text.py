"""Help of a command: its arguments in groups, in plain words, each with its default.

tyro reads the content from a command's model; this module formats it.
"""

import re
import shutil
import textwrap
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

WIDEST = 100
"""Columns of a text that is still easy to read, chosen here."""
INDENT = 24
GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(names.split())
    for group, names in {
        "data": """
            data steps pool camera sensor crop window bins holdout skip partial shift shift_given
            real
        """,
        "network": "hidden layers vth_mant du dv initial_std fraction_bits readout",
        "learning rule": """
            method output_rule credit feedback local_share local_pool readouts estimator
            spike_cost shaping
        """,
        "population and noise": """
            generations pairs groups batch rank noise sigma sigma_output sigma_bias final_noise
            noise_period noise_window noise_share window_share seed
        """,
        "rates and schedules": """
            learning_rate final_learning_rate output_rate bias_rate target_rate homeostasis_rate
            schedule momentum_bits decay temperature final_temperature weight_decay
        """,
        "validation": "evaluate_every validation_samples",
        "machine": "threads device workspace cluster cluster_ca cluster_cert cluster_key",
    }.items()
}
"""Arguments of all commands that belong together; the others come first, as the command's own."""
_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}


class Option(NamedTuple):
    """An argument as help shows it."""

    group: str
    flag: str  # empty: it stands by itself
    value: str
    text: str


def parser_of(model: Any, name: str, default: Any, config: Sequence[Any]) -> Any:
    """The argparse parser that tyro makes of a model."""
    import tyro

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # tyro 1 has it, and no later one is allowed
        return tyro.extras.get_parser(model, prog=name, default=default, config=tuple(config))


def plain_value(metavar: str) -> str:
    """Placeholder of a value: without "or None", and lists as they are typed."""
    text = re.sub(r"\\(.)", r"\1", metavar)
    text = text.replace("{None}|", "").replace("|{None}", "")
    text = text.replace("{None,", "{").replace(",None}", "}")
    text = re.sub(r"\[+(\S+) \[\1 \.\.\.\]\]+", r"\1 ...", text)
    return text.replace("{", "").replace("}", "").replace(",", "|") if "{" in text else text


def plain_default(text: str) -> str:
    """Help with its default in words."""
    text = " ".join(text.split())
    for ending, instead in (
        (" (default: None)", ""),
        (" (default: False)", ""),
        (" (default: True)", ""),
        (" (default: )", ""),
        (" (default: '')", ""),
        (" (required)", ""),
    ):
        if text.endswith(ending):
            return text[: -len(ending)] + instead
    return text


def options(parser: Any) -> list[Option]:
    """All arguments of a parser."""
    found = []
    for action in parser._actions:
        if "-h" in action.option_strings or action.help == "==SUPPRESS==":
            continue
        name = (action.dest or "").rpartition(".")[2].replace("-", "_")
        flag = next((one for one in action.option_strings if one.startswith("--")), "")
        negative = flag.startswith("--no-")
        if flag:
            name = flag.removeprefix("--no-" if negative else "--").replace("-", "_")
        metavar = (
            action.metavar if isinstance(action.metavar, str) else (action.metavar or ("",))[0]
        )
        value = "" if action.nargs == 0 else plain_value(metavar or "")
        text = plain_default(unstyled(action.help or ""))
        group = _GROUP_OF.get(name, "options" if flag else "arguments")
        found.append(Option(group, flag, value, f"leave out: {text}" if negative else text))
    return found


def unstyled(text: str) -> str:
    """Help without the markup of rich and the escapes of argparse."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"\[/?(?:bright_)?[a-z_ ]*\]", "", text)
    return text.replace("%%", "%").replace("\\[", "[")


def render(name: str, description: str, given: Sequence[Option], width: int | None = None) -> str:
    """The help text of a command."""
    width = min(WIDEST, width or shutil.get_terminal_size().columns)
    stands = " ".join(one.value for one in given if not one.flag)
    paragraphs = [" ".join(part.split()) for part in description.split("\n\n")]
    lines = [f"usage: {name} {stands + ' ' if stands else ''}[options]", ""]
    for paragraph in paragraphs:
        lines += [*textwrap.wrap(paragraph, width), ""]
    for group in ("arguments", "options", *GROUPS):
        members = [one for one in given if one.group == group]
        if members:
            lines += [f"{group}:", *(line for one in members for line in _lines(one, width)), ""]
    return "\n".join(lines).rstrip()


def _lines(one: Option, width: int) -> list[str]:
    head = f"  {one.flag} {one.value}".rstrip() if one.flag else f"  {one.value}"
    text_width = max(20, width - INDENT)
    text = textwrap.wrap(one.text, text_width, break_on_hyphens=False) or [""]
    if len(head) + 2 <= INDENT:
        return [head.ljust(INDENT) + text[0], *(" " * INDENT + line for line in text[1:])]
    heads = textwrap.wrap(head, width, subsequent_indent="      ", break_on_hyphens=False)
    heads[0] = "  " + heads[0].lstrip()
    return [*heads, *(" " * INDENT + line for line in text)]

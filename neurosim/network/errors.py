"""Error of a network description, and checks of registers that raise it."""

from neurosim import limits


class NetworkError(ValueError):
    """A network, or weights for it, that the chip cannot hold. The message names the register."""


def check_register(where: str, register: str, value: object, allowed: limits.Range) -> None:
    """Raise NetworkError unless `value` is an integer in the register's range."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise NetworkError(
            f"{where}: {register} is {value!r}; allowed are integers {allowed.low}..{allowed.high}"
        )

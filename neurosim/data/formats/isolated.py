"""Reading of a file through a library in a child process, so that a damaged file cannot harm this one."""

from typing import Any

from neurosim import sandbox
from neurosim.data.formats.recording import EventFileError
from neurosim.data.formats.source import Source

SECONDS = 8.0
"""Time for a small file. Chosen here: eight times what the slowest library needs to be imported."""
BYTES_PER_SECOND = 2_000_000
"""Further time by size. Chosen here: a tenth of what the slowest reader does on a laptop."""


def run(source: Source, function: str, folder: str, **arguments: Any) -> Any:
    """The value of `function` ("module:name") for this file; see sandbox.call.

    Raises EventFileError where the file is refused, or where the child was ended.
    """
    seconds = SECONDS + source.size / BYTES_PER_SECOND
    call = {"path": str(source.path.absolute()), **arguments}
    try:
        return sandbox.call(function, call, folder, seconds=seconds)
    except sandbox.Refused as error:
        raise source.error(error.fault, error.offset) from None
    except sandbox.SandboxError as error:
        raise _damaged(source, str(error)) from None


def _damaged(source: Source, fault: str) -> EventFileError:
    return source.error(
        f"cannot be read: {fault}. The file is damaged or of another kind: fetch it again"
    )

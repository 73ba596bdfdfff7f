"""Events of a camera as they come, by iniVation's dv-processing (the extra `camera`).

Written against the interface of dv-processing 2.0.4, and tried with a stand-in: no camera was at hand.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from neurosim.data.events import EVENT, Events

WAIT_SECONDS = 0.001
"""Between two questions to a camera that has nothing new; chosen here, far below a window."""


class CameraMissing(ValueError):
    """No camera that can be read."""


def open_camera() -> tuple[tuple[int, int], Iterator[Events]]:
    """Rows and columns of the first camera that is attached, and its events in blocks, in order of time.

    The blocks end when the camera is unplugged. Raises CameraMissing where none is attached.
    """
    from dv_processing import io

    try:
        camera = io.camera.open()
    except (IndexError, RuntimeError) as error:
        raise CameraMissing(
            "no camera that dv-processing can read; attach one, allow your user to use it, and close other "
            "programs that read it"
        ) from error
    width, height = camera.getEventResolution()
    return (height, width), _blocks(camera)


def _blocks(camera: Any) -> Iterator[Events]:
    while camera.isRunning():
        batch = camera.getNextEventBatch()
        if batch is None or not len(batch):
            time.sleep(WAIT_SECONDS)
            continue
        given = batch.numpy()
        events = np.empty(len(given), EVENT)
        for ours, theirs in (("t", "timestamp"), ("x", "x"), ("y", "y"), ("p", "polarity")):
            events[ours] = given[theirs]
        yield events

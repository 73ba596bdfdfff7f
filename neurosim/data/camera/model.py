"""Which camera is simulated, and which scene is in front of it?

Its constants describe the recordings of N-MNIST: what each was fitted on is in docs/camera.md.
"""

from dataclasses import dataclass

from neurosim.kernels.data import scene


class CameraError(ValueError):
    """Images, or a setting, that the camera cannot take."""


# fmt: off
PATH = (
    (-2.50, -1.68), (-2.51, -1.63), (-2.55, -1.52), (-2.57, -1.39), (-2.58, -1.24),
    (-2.60, -1.01), (-2.61, -0.60), (-2.63, -0.12), (-2.63, 0.49), (-2.59, 1.12),
    (-2.52, 1.77), (-2.31, 2.41), (-1.98, 2.85), (-1.65, 3.21), (-1.33, 3.48),
    (-1.10, 3.58), (-1.02, 3.61), (-0.96, 3.62), (-0.91, 3.60), (-0.85, 3.56),
    (-0.77, 3.50), (-0.69, 3.46), (-0.60, 3.42), (-0.48, 3.41), (-0.38, 3.39),
    (-0.24, 3.34), (0.02, 3.21), (0.38, 2.85), (0.72, 2.42), (1.05, 1.86),
    (1.32, 1.28), (1.46, 0.62), (1.55, 0.09), (1.70, -0.52), (1.89, -0.97),
    (2.08, -1.31), (2.22, -1.48), (2.32, -1.56), (2.39, -1.59), (2.46, -1.58),
    (2.55, -1.56), (2.62, -1.54), (2.71, -1.52), (2.76, -1.54), (2.78, -1.57),
    (2.79, -1.59), (2.65, -1.62), (2.28, -1.63), (1.81, -1.59), (1.33, -1.56),
    (0.83, -1.57), (0.31, -1.58), (-0.26, -1.62), (-0.78, -1.66), (-1.27, -1.70),
    (-1.62, -1.74), (-1.85, -1.79), (-2.07, -1.81), (-2.25, -1.81), (-2.35, -1.79),
    (-2.38, -1.78), (-2.38, -1.77), (-2.37, -1.77),
)
# fmt: on
"""Displacement (x right, y down) of the image from the middle of the sensor, in pixels, every PATH_MS
milliseconds from 0 on: fitted on the recordings, see docs/camera.md."""
PATH_MS = 5


@dataclass(frozen=True)
class Camera:
    """The camera and the scene in front of it.

    path            displacement of the image (x right, y down), pixels, every PATH_MS milliseconds
    length_us       end of the recording
    magnification   sensor pixels an image pixel covers; blur: sigma of the lens, sensor pixels
    gamma           luminance = grey^gamma; background: added to it, white being 1
    threshold       change of log luminance that makes an event (brighter, darker)
    mismatch        spread of a pixel's thresholds, both sides alike; side_mismatch: each for itself
    noise           spread of a threshold from event to event; gain: from recording to recording
    start           spread of the references at the beginning, in thresholds
    refractory_us   time a pixel is blind after an event, and dead_spread_us: at most so much more
    bandwidth       share of a change that the photoreceptor follows in a millisecond
    when_us, where  spread of a recording's beginning and of its position (pixels)
    stray           events without a cause in a recording: mean, spread between pixels, share with p = 1
    hot             pixels (x, y, mean number of events) that send by themselves
    leading_edge    p of the events where a pixel becomes brighter
    """

    path: tuple[tuple[float, float], ...] = PATH
    length_us: int = 308_000
    magnification: float = 1.01
    blur: float = 0.38
    gamma: float = 2.8
    background: float = 1.0
    threshold: tuple[float, float] = (0.084, 0.084)
    mismatch: float = 0.2
    side_mismatch: float = 0.1
    noise: float = 0.3
    gain: float = 0.1
    start: float = 0.2
    refractory_us: int = 1700
    dead_spread_us: int = 300
    bandwidth: float = 1.0
    when_us: int = 1400
    where: float = 0.11
    stray: float = 105.0
    stray_spread: float = 0.5
    stray_one: float = 0.96
    hot: tuple[tuple[int, int, float], ...] = ((18, 30, 13.3), (7, 15, 5.7), (9, 15, 2.3))
    leading_edge: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _ALLOWED.items():
            value = getattr(self, name)
            for one in value if isinstance(value, tuple) else (value,):
                if not low <= one <= high:
                    raise CameraError(f"camera: {name} is {value}; allowed are {low} to {high}")
        reach = scene.MARGIN - 2
        if not self.path or any(abs(d) > reach for place in self.path for d in place):
            raise CameraError(f"camera: path needs places within {reach} pixels of the middle")


_ALLOWED = {
    "length_us": (1000, 1_000_000),
    "magnification": (0.2, 1.5),
    "blur": (0.05, 5.0),
    "gamma": (0.2, 5.0),
    "background": (0.001, 100.0),
    "threshold": (0.005, 10.0),
    "mismatch": (0.0, 0.5),
    "side_mismatch": (0.0, 0.5),
    "noise": (0.0, 1.0),
    "gain": (0.0, 0.3),
    "start": (0.0, 1.0),
    "refractory_us": (100, 100_000),
    "dead_spread_us": (0, 100_000),
    "bandwidth": (0.001, 1.0),
    "when_us": (0, 10_000),
    "where": (0.0, 1.0),
    "stray": (0.0, 500.0),
    "stray_spread": (0.0, 2.0),
    "stray_one": (0.0, 1.0),
    "leading_edge": (0, 1),
}
"""What the kernels' 32-bit integers and their 16,384 events a recording leave room for."""

CAMERA = Camera()
"""The camera of N-MNIST, as well as it is known here."""

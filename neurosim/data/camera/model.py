"""Parameters of the simulated event camera and of the scene in front of it.

    nmnist       N-MNIST: three saccades, 34 x 34 pixels, MNIST's images at their own size
    ncaltech101  N-Caltech101: the same camera and saccades, images enlarged to at most 240 x 180
    cifar10dvs   CIFAR10-DVS: repeated closed-loop movement, 128 x 128 pixels

The constants of `nmnist` were fitted on recordings of N-MNIST; those of the others are from the papers
or chosen here. docs/camera.md says which, and how near the simulation comes.
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
"""Displacement (x right, y down) of the image from the middle of the sensor, in pixels, every 5
milliseconds from 0 on: N-MNIST's saccades, fitted on the recordings, see docs/camera.md."""


@dataclass(frozen=True)
class Camera:
    """The camera and the scene in front of it.

    path            displacement of the image (x right, y down), pixels, every path_us microseconds
    length_us       end of the recording
    magnification   sensor pixels a pixel of the field covers; blur: sigma of the lens, sensor pixels
    gamma           luminance = grey^gamma; background: added to it, white being 1
    threshold       change of log luminance that makes an event (brighter, darker)
    mismatch        spread of a pixel's thresholds, both sides alike; side_mismatch: each for itself
    noise           spread of a threshold from event to event; gain: from recording to recording
    start           spread of the references at the beginning, in thresholds
    refractory_us   time a pixel is blind after an event, and dead_spread_us: at most so much more
    bandwidth       share of a change that the photoreceptor follows in a step
    when_us, where  spread of a recording's beginning and of its position (pixels)
    stray           events without a cause in a recording: mean, spread between pixels, share with p = 1
    hot             pixels (x, y, mean number of events) that send by themselves
    leading_edge    p of the events where a pixel becomes brighter
    sensor          rows and columns of the sensor, pixels
    field           rows and columns an image is scaled to fit in, pixels; its middle is the sensor's
    window_us       time that is cut into bins; what comes later belongs to the last bin
    step_us         time between two positions of the scene; events are interpolated within it
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
    sensor: tuple[int, int] = (34, 34)
    field: tuple[int, int] = (28, 28)
    window_us: int = 300_000
    step_us: int = 1000
    path_us: int = 5000

    def __post_init__(self) -> None:
        for name, (low, high) in _ALLOWED.items():
            value = getattr(self, name)
            for one in value if isinstance(value, tuple) else (value,):
                if not low <= one <= high or (isinstance(low, int) and not isinstance(one, int)):
                    whole = "integers " if isinstance(low, int) else ""
                    raise CameraError(
                        f"camera: {name} is {value}; allowed are {whole}{low} to {high}"
                    )
        for name in ("sensor", "field"):
            if len(getattr(self, name)) != 2:
                raise CameraError(
                    f"camera: {name} is {getattr(self, name)}; needed are rows and columns"
                )
        for x, y, _ in self.hot:
            if not (0 <= x < self.sensor[1] and 0 <= y < self.sensor[0]):
                raise CameraError(
                    f"camera: hot has a pixel at x = {x}, y = {y}; the sensor has "
                    f"{self.sensor[0]} rows and {self.sensor[1]} columns"
                )
        reach = scene.MARGIN - 2
        if not self.path or any(abs(d) > reach for place in self.path for d in place):
            raise CameraError(f"camera: path needs places within {reach} pixels of the middle")


_ALLOWED = {
    "length_us": (1000, 4_000_000),
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
    "stray": (0.0, 10_000.0),
    "stray_spread": (0.0, 2.0),
    "stray_one": (0.0, 1.0),
    "leading_edge": (0, 1),
    "sensor": (8, 256),
    "field": (1, 256),
    "window_us": (1000, 4_000_000),
    "step_us": (100, 10_000),
    "path_us": (1000, 1_000_000),
}
"""Limits of the kernels' 32-bit integers, and of the 16 + 24 bits of pixel and time in a random word."""

CAMERA = Camera()
"""The camera of N-MNIST, as fitted (docs/camera.md)."""

_NCALTECH101 = (180, 240)
"""Orchard et al. 2015, section 2: images of Caltech101 were enlarged, keeping their aspect ratio, until
they were 240 pixels wide or 180 pixels high on the sensor."""

NCALTECH101 = Camera(
    sensor=_NCALTECH101,
    field=_NCALTECH101,
    magnification=1.0,
    stray=CAMERA.stray * _NCALTECH101[0] * _NCALTECH101[1] / (34 * 34),
    hot=(),
)
"""N-Caltech101's camera: sensor, saccades and screen of N-MNIST (Orchard et al. 2015 recorded both sets
with one set-up), hence its path in pixels and its constants; strays per pixel as there."""

_LOOPS, _PATH_PIXELS, _PATH_STEPS = 6, 2.5, 5
"""Li et al. 2017: an image of 512 x 512 screen pixels moves along four diagonals of 10 screen pixels, at
200 screen pixels a second on each axis, and so on for six loops of 0.2 s. Here 512 screen pixels are the
128 pixels of the sensor (chosen here: the images of the recordings fill it), so 10 are 2.5. A diagonal
takes five intervals of path_us."""


def _closed_loops() -> tuple[tuple[float, float], ...]:
    """Right and up, right and down, left and down, left and up, six times; the middle at the middle."""
    corners = ((-1, 0), (0, -1), (1, 0), (0, 1))
    step = _PATH_PIXELS / _PATH_STEPS
    places = []
    for side in range(4 * _LOOPS):
        (x, y), (to_x, to_y) = corners[side % 4], corners[(side + 1) % 4]
        for n in range(_PATH_STEPS):
            near = _PATH_STEPS - n
            places.append((step * (near * x + n * to_x), step * (near * y + n * to_y)))
    return (*places, places[0])


CIFAR10DVS = Camera(
    path=_closed_loops(),
    path_us=10_000,
    length_us=1_200_000,
    window_us=1_200_000,
    step_us=2000,
    sensor=(128, 128),
    field=(128, 128),
    magnification=1.0,
    gamma=2.2,
    background=0.125,
    threshold=(0.15, 0.15),
    mismatch=0.14,
    refractory_us=1000,
    stray=2000.0,
    hot=(),
    leading_edge=1,
)
"""CIFAR10-DVS's camera: a DVS128 before a screen; p = 1 is brighter, as its readers say.

threshold, mismatch   Lichtsteiner et al. 2008: the least contrast is 15 %, 2.1 % of contrast its spread
gamma                 an LCD's, IEC 61966-2-1      stray   0.1 a pixel and second, chosen here
background            chosen here, so that an image of CIFAR-10 sends some 200,000 events
"""

CAMERAS = {"nmnist": CAMERA, "ncaltech101": NCALTECH101, "cifar10dvs": CIFAR10DVS}
"""Cameras by the name that a command takes."""


def by_name(name: str) -> Camera:
    """The camera of this name, or a CameraError that lists the names."""
    if name not in CAMERAS:
        raise CameraError(f"camera {name!r} is not known; cameras are {', '.join(CAMERAS)}")
    return CAMERAS[name]

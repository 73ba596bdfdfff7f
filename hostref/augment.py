"""Augmentation of training samples: shifts by some pixels, and omitted input spikes."""

from hostref.backend import Tensor, torch
from hostref.settings import BpttSettings
from neurosim.data.sensor import Sensor
from neurosim.network import NetworkError


def check(settings: BpttSettings, sensor: Sensor | None) -> None:
    """Raise NetworkError where samples are to be shifted that have no plane of pixels."""
    if settings.shift and (sensor is None or not sensor.plane):
        raise NetworkError(
            f"the inputs are {sensor or 'of no sensor'}: shift {settings.shift} has no meaning; use 0"
        )


def augmented(
    x: Tensor, settings: BpttSettings, sensor: Sensor | None, draw: torch.Generator
) -> Tensor:
    """`x` (sample, step, input), each sample shifted by some pixels and thinned, by the settings."""
    check(settings, sensor)
    if settings.shift and sensor is not None:
        height, width = sensor.height, sensor.width
        image = x.unflatten(-1, sensor.shape)
        reach = 2 * settings.shift + 1
        move = torch.randint(reach, (len(x), 2), generator=draw, device=x.device) - settings.shift
        sample = torch.arange(len(x), device=x.device).view(-1, 1, 1)
        rows = (torch.arange(height, device=x.device) + move[:, :1]).clamp(-1, height)
        columns = (torch.arange(width, device=x.device) + move[:, 1:]).clamp(-1, width)
        image = torch.nn.functional.pad(image, (1, 1, 1, 1))
        image = image.movedim((-2, -1), (1, 2))[sample, rows[:, :, None] + 1, columns[:, None] + 1]
        x = image.movedim((1, 2), (-2, -1)).flatten(-3)
    if settings.dropout:
        x = x * (torch.rand(x.shape, generator=draw, device=x.device) >= settings.dropout)
    return x

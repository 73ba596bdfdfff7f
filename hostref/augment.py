"""How is a training sample varied, so that the network learns no pixel by heart?"""

import math

from hostref.backend import Tensor, torch
from hostref.settings import BpttSettings
from neurosim.data.events import POLARITIES
from neurosim.network import NetworkError


def augmented(x: Tensor, settings: BpttSettings, draw: torch.Generator) -> Tensor:
    """`x` (sample, step, input), each sample moved by some pixels and thinned, as settings say."""
    if settings.shift:
        side = math.isqrt(x.shape[-1] // POLARITIES)
        if POLARITIES * side * side != x.shape[-1]:
            raise NetworkError(
                f"{x.shape[-1]} inputs are no square sensor of {POLARITIES} polarities, so shift "
                f"{settings.shift} has no meaning; use 0"
            )
        image = x.unflatten(-1, (POLARITIES, side, side))
        reach = 2 * settings.shift + 1
        move = torch.randint(reach, (len(x), 2), generator=draw, device=x.device) - settings.shift
        at = torch.arange(side, device=x.device)
        sample = torch.arange(len(x), device=x.device).view(-1, 1, 1)
        rows = (at + move[:, :1]).clamp(-1, side)
        columns = (at + move[:, 1:]).clamp(-1, side)
        image = torch.nn.functional.pad(image, (1, 1, 1, 1))
        image = image.movedim((-2, -1), (1, 2))[sample, rows[:, :, None] + 1, columns[:, None] + 1]
        x = image.movedim((1, 2), (-2, -1)).flatten(-3)
    if settings.dropout:
        x = x * (torch.rand(x.shape, generator=draw, device=x.device) >= settings.dropout)
    return x

"""Figures as PNG files, or as SVG within an HTML page.

A drawing is a function of a matplotlib figure. In the SVG, text stays text in the page's own font, and
black, BLUE and RED become the page's colours, so that it can be read on light and on dark ground.
"""

import io
import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[["Figure"], None]
BLUE, RED = "#1b6ca8", "#c8553d"
PAGE_COLOURS = {"#000000": "currentColor", BLUE: "var(--blue)", RED: "var(--red)"}
"""A colour of the drawing, and what a page calls it."""
CHARACTERS = 40
"""Characters of labels along the axis of a small picture, 3.5 inches."""
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_DECIMALS = {"d": 1, "x": 1, "y": 1, "width": 1, "height": 1, "transform": 4}
"""Digits kept of an attribute's numbers: a tenth of a pixel, and the scale of an image."""


def png(draw: Draw, size: tuple[float, float], dpi: int) -> bytes:
    """The drawing as a PNG file; `size` in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dpi, layout="constrained")
    draw(figure)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def log_axis(axes: Any) -> None:
    """A logarithmic x axis with as many round numbers as fit, never one over another.

    Labelled at 1, 2 and 5, or at powers of ten where these are too many; where the axis is too short for two
    of them, at the steps of a linear one. Call it when everything is drawn.
    """
    from matplotlib.ticker import MaxNLocator

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for every, digits in ((1, (1, 2, 5)), (1, (1,)), (2, (1,)), (3, (1,)), (4, (1,))):
        ticks = [digit * 10.0**decade for decade in decades[::every] for digit in digits]
        shown = [tick for tick in ticks if low <= tick <= high]
        if len(shown) < 2:
            steps = MaxNLocator(3).tick_values(low, high)
            shown = [tick for tick in steps if low <= tick <= high]
            break
        if _fit(shown, math.log10(high / low)):
            break
    axes.set_xticks(shown, [_number(tick) for tick in shown])
    axes.minorticks_off()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 and value == round(value) else f"{value:.10g}"


def _fit(ticks: Sequence[float], decades: float) -> bool:
    """Whether labels at these ticks stay apart on an axis of so many decades."""
    return all(
        math.log10(after / tick) / decades * CHARACTERS
        > (len(_number(tick)) + len(_number(after))) / 2 + 1
        for tick, after in pairwise(ticks)
    )


def svg(draw: Draw, size: tuple[float, float], name: str, alt: str) -> str:
    """The drawing as an <svg> for HTML: the same bytes each time, transparent, as wide as its place.

    size   in inches of 72 px: 5 inches are a phone's width, where text keeps its size
    name   one word, another for each drawing of a page: its inner references are made from it
    alt    text for screen readers
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    out = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "image.composite_image": False}):
        figure = Figure(figsize=size, dpi=72, layout="constrained")
        draw(figure)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(out.getvalue())
    referred = set(re.findall(r'url\(#(\w+)\)|href="#(\w+)"', out.getvalue()))
    _adapt(root, {one or other for one, other in referred})
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": alt,
        "class": "drawing",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _adapt(parent: ElementTree.Element, referred: set[str]) -> None:
    """Rewrite matplotlib's SVG in place: no namespaces, no style of its own, short numbers."""
    parent.tag = _local(parent.tag)
    for child in list(parent):
        if _local(child.tag) == "style":
            parent.remove(child)
        else:
            _adapt(child, referred)
    attributes = {_local(name): value for name, value in parent.attrib.items()}
    if attributes.get("id") not in referred:
        attributes.pop("id", None)
    for name in attributes.keys() & _DECIMALS:
        attributes[name] = _shortened(attributes[name], _DECIMALS[name])
    if "style" in attributes:
        attributes["style"] = _style(attributes["style"])
    parent.attrib = attributes
    if not (parent.text or "").strip():
        parent.text = None
    if not (parent.tail or "").strip():
        parent.tail = None


def _shortened(text: str, decimals: int) -> str:
    short = _NUMBER.sub(lambda found: f"{float(found[0]):.{decimals}f}", text)
    return " ".join(short.split())


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _style(style: str) -> str:
    """Without fonts, and in the page's colours."""
    kept = [
        part.strip()
        for part in style.split(";")
        if part.strip() and not part.strip().startswith("font-family")
    ]
    text = "; ".join(kept)
    for colour, of_page in PAGE_COLOURS.items():
        text = text.replace(colour, of_page)
    return text

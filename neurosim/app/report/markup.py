"""Safe HTML: everything that is not `Html` is escaped."""

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str) -> Html:
    """<tag ...>children</tag>; `class_` and `for_` stand for the words Python keeps to itself."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
    )
    return Html(f"<{tag}{given}>{join(children)}</{tag}>")


def join(parts: Iterable[str]) -> Html:
    """Parts one after another, each escaped unless it is markup."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def table(
    name: str, header: Sequence[str], rows: Iterable[Sequence[str]], class_: str = "plain"
) -> Html:
    """A table whose first column names its rows; one that is too wide for the page scrolls by itself."""
    head = element("tr", *(element("th", title, scope="col") for title in header))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", c) for c in row[1:]))
        for row in rows
    ]
    whole = element("table", element("thead", head), element("tbody", *body), class_=class_)
    return scrolling(name, whole)


def scrolling(name: str, whole: Html) -> Html:
    """Content that may be too wide, in a box that scrolls; `name` is its label for screen readers."""
    return element("div", whole, class_="wide", tabindex="0", role="group", aria_label=name)


def drawing(svg: str, caption: str) -> Html:
    """A figure with its caption; `svg` comes from neurosim.app.figures."""
    return element("figure", Html(svg), element("figcaption", caption))


def section(heading: str, *children: str) -> Html:
    return element("section", element("h2", heading), *children)

"""HTML page around title and body; the frame is kept beside this module."""

from html import escape
from importlib.resources import files
from string import Template

from neurosim.app.report import sections
from neurosim.app.report.facts import Facts


def html(facts: Facts) -> str:
    """The whole page: no script, no address to load anything from."""
    page = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return page.substitute(title=escape(sections.title(facts)), body=sections.body(facts))

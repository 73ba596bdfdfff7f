"""Section of the report on the faults of the chip that a network was trained on."""

from neurosim.app.report.facts import Defects
from neurosim.app.report.markup import Html, element, join, section, table


def section_of(defects: Defects | None, accuracy: float) -> Html:
    """The faults and their shares, and the accuracy on a chip without faults."""
    if defects is None:
        return join([])
    rows = [
        [
            kind,
            where.replace("->", "\u00a0→ "),
            f"{count:,}",
            f"{of:,}",
            f"{100 * count / of:.2f}\u00a0%",
        ]
        for kind, where, count, of in defects.counts
    ]
    summary = (
        f"The chip has faults: {defects.text}. The test accuracy is {100 * accuracy:.2f} % on this chip and "
        f"{100 * defects.sound_accuracy:.2f} % with the same weights on a chip without faults."
    )
    parts = [element("p", summary)]
    if rows:
        heads = ["fault", "where", "defective", "of", "share"]
        parts.append(table("Faults of the chip", heads, rows, "faults"))
    return section("Faults of the chip", *parts)

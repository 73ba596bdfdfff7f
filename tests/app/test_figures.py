"""Figures: labels of a logarithmic axis."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurosim.app.figures import log_axis


@settings(max_examples=25)
@given(st.floats(-4, 7), st.floats(0.01, 7))
def test_labels_of_a_logarithmic_axis_stay_apart_and_are_true(exponent, decades):
    low = 10**exponent
    figure = Figure(figsize=(4.4, 2.9), dpi=80, layout="constrained")
    axes = figure.subplots()
    axes.plot([low, low * 10**decades], [96.5, 99])
    axes.set_ylabel("validation accuracy, %")
    log_axis(axes)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    labels = axes.get_xticklabels(which="both")
    assert len(labels) >= 2
    for label, place in zip(labels, axes.get_xticks(), strict=True):
        assert float(label.get_text().replace(",", "")) == pytest.approx(place)
    boxes = [label.get_window_extent(renderer) for label in labels]
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))

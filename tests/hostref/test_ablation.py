"""Ablation: reports from trainings, and resumed work."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

from neurosim.app.cli import ablation as command_of_ablation
from neurosim.app.experiments import ablation, ablation_page

TINY = {"hidden": (16,), "generations": 4, "pairs": 16, "groups": 8}
SLOW = {**TINY, "batch": 2}


@pytest.fixture
def few(monkeypatch):
    """Two claims and a choice of each family, in seconds."""
    claims = (
        ablation.Variant("best", "best", TINY),
        ablation.Variant("fast", "fast", TINY),
    )
    bits = ablation.Variant("8 bits per synapse", "fast", {**TINY, **ablation.EIGHT_BITS})
    slow = ablation.Variant("EGGROLL, 1,000 generations", "eggroll", SLOW)
    monkeypatch.setattr(ablation, "CLAIMS", claims)
    changed = slow, slow._replace(name="rank 2", changed={**SLOW, "rank": 2})
    families = {
        "fast": ablation.Family("fast", (bits,)),
        "EGGROLL": ablation.Family(f"EGGROLL: {slow.name}", changed),
    }
    monkeypatch.setattr(ablation, "FAMILIES", families)
    monkeypatch.setattr(ablation_page, "CLAIMED", [one.name for one in claims])


def stamps(folder):
    return {file: file.stat().st_mtime_ns for file in (folder / "trainings").glob("*.json")}


def test_a_study_is_reported_kept_and_resumed(few, tmp_path, capsys, monkeypatch):
    arguments = command_of_ablation.Ablation(
        data="digits",
        real="digits",
        out=tmp_path,
        seeds=2,
        bptt_seeds=1,
        bptt_epochs=1,
        threads=1,
        as_json=True,
    )
    made, cut = ablation.Part.result, []

    def stop(self):
        if len(cut) == 4:  # what is measured on real recordings asks for its training once more
            raise KeyboardInterrupt
        cut.append(self.method)
        return made(self)

    with monkeypatch.context() as patch:
        patch.setattr(ablation.Part, "result", stop)
        with pytest.raises(KeyboardInterrupt):
            command_of_ablation.run(arguments)
    before = stamps(tmp_path)
    assert len(before) == 3
    assert command_of_ablation.run(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert before.items() <= stamps(tmp_path).items()
    methods = [result["method"] for result in printed["results"]]
    claims = [
        *("best", "fast", f"best, {ablation.UNSEEN}", f"best, {ablation.REAL}"),
        *(f"fast, {ablation.UNSEEN}", f"fast, {ablation.REAL}"),
    ]
    assert methods[:8] == [*claims, ablation.BPTT, ablation.BPTT_STILL]
    assert methods[8:14] == claims
    page = (tmp_path / "accuracy.md").read_text()
    best = [100 * r["test_accuracy"] for r in printed["results"] if r["method"] == "best"]
    assert f"| best | 2 | {np.mean(best):.2f} ± {np.std(best, ddof=1):.2f} |" in page
    for heading in (
        "One choice changed: fast",
        "One choice changed: EGGROLL",
        "On real recordings",
    ):
        assert f"## {heading}" in page
    assert "--seeds 2" in page
    for name in ("pareto.png", "curves.png", "bits.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_page_is_made_of_what_is_there(few, tmp_path, capsys):
    first = command_of_ablation.Ablation(
        data="digits", out=tmp_path, seeds=1, bptt_seeds=0, choices=False
    )
    assert command_of_ablation.run(first) == 0
    page = (tmp_path / "accuracy.md").read_text()
    assert command_of_ablation.run(first.model_copy(update={"only_page": True, "seeds": 2})) == 0
    assert (tmp_path / "accuracy.md").read_text() == page.replace("--seeds 1", "--seeds 2")
    assert "points behind BPTT" in page
    assert capsys.readouterr().out.count("written to") == 2


def test_learning_choices_are_settings_that_can_be():
    """Each changes something, and the choices of a family are distinct."""
    for variants in (ablation.CLAIMS, *(family.choices for family in ablation.FAMILIES.values())):
        made = [ablation.settings_of(one, "digits", 0) for one in variants]
        assert len(set(made)) == len(made)

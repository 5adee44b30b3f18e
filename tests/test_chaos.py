"""A short storm over real processes; `python -m scripts.chaos` makes long ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import campaign, chaos
from scripts.chaos import Chaos
from scripts.rehearsal import Rehearsal
from shared.lab.accidents import Accidents


@pytest.mark.slow
def test_a_short_storm_breaks_no_promise(tmp_path: Path) -> None:
    cast = Rehearsal(tmp_path / "var", TSQ__SIMULATOR__SPEED=chaos.SPEED)
    story: list[str] = []
    try:
        Chaos(cast, 11, story.append).play(12.0)
    finally:
        cast.close()
    assert any("SIGKILL" in line or "SIGSTOP" in line for line in story), story
    assert any("each booked once; flat" in line for line in story), story


def test_a_campaign_tells_a_broken_seed_and_how_to_play_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(seed: int, accidents: Accidents, seconds: int, **_: object) -> None:
        raise AssertionError("not flat: {}")

    monkeypatch.setattr(campaign, "play", breaks)
    played = campaign.play_seed(7, 30)
    assert "not flat" in played.failure
    campaign.tell_failure(played, 30, "")
    shown = capsys.readouterr().out
    assert "--crossing" not in shown
    campaign.tell_failure(played, 30, "crossing")
    assert "--seconds 30 --crossing" in capsys.readouterr().out
    assert "seed 7 BROKE a promise" in shown
    assert "accidents(" in shown
    assert "python -m scripts.campaign --seeds 1 --from 7 --seconds 30" in shown
    assert "broken: 7" in campaign.summary([played], 1.0)


def test_what_may_go_wrong_is_told_before_a_world_is_played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that it is known of one that never ends, too."""
    told: list[str] = []

    def hangs(seed: int, accidents: Accidents, seconds: int, **_: object) -> None:
        told.append(capsys.readouterr().out)
        told.append(str(accidents))

    monkeypatch.setattr(campaign, "play", hangs)
    campaign.play_seed(7, 30, foretold=True)
    assert told[0] == f"seed 7: {told[1]}\n"


def test_a_seed_that_holds_is_summed_up() -> None:
    played = campaign.play_seed(3, 2)
    assert not played.failure
    assert played.steps > 1_000
    assert "broken: none" in campaign.summary([played], 1.0)


def test_a_campaign_writes_its_counts_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    document = tmp_path / "report.md"
    document.write_text("# Title\n<!-- worlds -->\nold\n<!-- /worlds -->\nend\n")
    campaign.report(document, "3 seeds")
    campaign.report(document, "4 seeds")
    told = "```\n4 seeds\n```"
    assert document.read_text() == f"# Title\n<!-- worlds -->\n{told}\n<!-- /worlds -->\nend\n"
    document.write_text("no marks")
    with pytest.raises(ValueError, match="has no"):
        campaign.report(document, "3 seeds")


def test_a_campaign_of_nothing_is_refused() -> None:
    with pytest.raises(SystemExit) as refusal:
        campaign.main(["--seeds", "0"])
    assert refusal.value.code == 2

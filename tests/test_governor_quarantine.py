"""What a person may say about a quarantine at the socket: passed on, or refused."""

from __future__ import annotations

import pytest

from services.risk_governor.words import OperatorAnswer, OperatorCommand, Outcome, Verb
from shared.events import Choice, DifferenceChoice, Event, Flatten, VenueState, VenueStatus
from tests.governor_stage import Stage, wide

TEXT = "CON.F.US.MNQ.Z26: books +0, venue +1"


def ask(stage: Stage, verb: Verb) -> tuple[list[Event], OperatorAnswer]:
    command = OperatorCommand(command_id=7, verb=verb, who="anna", cause="looked at it")
    said = stage.tell(command)
    return said, next(event for event in said if isinstance(event, OperatorAnswer))


def quarantined() -> Stage:
    stage = Stage(wide(difference_grace_s=60.0)).opened()
    stage.no += 1
    stage.tell(VenueStatus(no=stage.no, state=VenueState.QUARANTINE, reason=TEXT))
    stage.reconcile(difference=TEXT)
    return stage


@pytest.mark.parametrize(("verb", "choice"), [(Verb.ADOPT, Choice.ADOPT), (Verb.WAIT, Choice.WAIT)])
def test_the_choice_goes_to_the_router_with_what_was_shown(verb: Verb, choice: Choice) -> None:
    said, answer = ask(quarantined(), verb)
    (told,) = [event for event in said if isinstance(event, DifferenceChoice)]
    assert (told.choice, told.difference, told.by) == (choice, TEXT, "anna")
    assert answer.outcome is Outcome.DONE
    assert TEXT in answer.reason


@pytest.mark.parametrize("verb", [Verb.ADOPT, Verb.WAIT])
def test_where_nothing_differs_it_is_refused(verb: Verb) -> None:
    said, answer = ask(Stage(wide()).opened(), verb)
    assert answer.outcome is Outcome.REFUSED
    assert "do not differ" in answer.reason
    assert not [event for event in said if isinstance(event, DifferenceChoice)]


def flattens(said: list[Event]) -> bool:
    return any(isinstance(event, Flatten) for event in said)


def test_waiting_holds_the_flatten_off_for_ten_minutes_and_no_longer() -> None:
    assert flattens(quarantined().wait(70)), "unattended it ends after the grace"
    stage = quarantined()
    ask(stage, Verb.WAIT)
    assert not flattens(stage.wait(590))
    assert flattens(stage.wait(20))

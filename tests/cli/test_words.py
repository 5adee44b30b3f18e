"""`tsq` as its users meet it: words in, an exit code and a sentence out, and never a secret."""

from __future__ import annotations

import argparse
import json
import socket
import threading
from pathlib import Path

import pytest

from scripts import cli, doctor, logs, operator_command
from scripts.console import Exit
from shared.runtime import paths
from shared.settings import REPO
from tests.cli.stage import Tsq

VERBS = tuple(cli.VERBS)


# -- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(tsq: Tsq, verb: str) -> None:
    answer = tsq(verb, "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"usage: tsq {verb}")
    assert "--json" in answer.out
    assert "--var" in answer.out


def test_the_list_of_verbs_is_the_one_of_the_readme(tsq: Tsq) -> None:
    listed = tsq("--help").out
    readme = (REPO / "README.md").read_text()
    for verb, (_, summary) in cli.VERBS.items():
        assert verb in listed
        assert summary[:40] in listed
        assert verb in readme


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("arm",),
        ("journal",),
        ("journal", "burn"),
        ("status", "--nonsense"),
        ("logs", "-n", "-3"),
        ("logs", "-n", "many"),
        ("flatten", "--wait", "long"),
        ("up", "--speed", "fast"),
    ],
)
def test_wrong_words_are_usage_and_not_a_failed_check(tsq: Tsq, words: tuple[str, ...]) -> None:
    answer = tsq(*words)
    assert answer.code == Exit.USAGE
    assert answer.out == ""
    assert answer.err.startswith("usage: tsq")
    assert "Traceback" not in answer.err


def test_settings_that_cannot_be_used_are_named_by_their_path(
    tsq: Tsq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[simulator]\nspeeed = 2\n")
    monkeypatch.setenv("TSQ_SETTINGS", str(mine))
    for words in (("status",), ("up",), ("replay",), ("arm", "SIM-50K-1")):
        answer = tsq(*words)
        assert answer.code == Exit.USAGE, words
        assert str(mine) in answer.err
        assert "speeed" in answer.err
    answer = tsq("up", "--settings", str(tmp_path / "absent.toml"))
    assert (answer.code, "absent.toml" in answer.err) == (Exit.USAGE, True)
    assert tsq("up", "--speed", "0").code == Exit.USAGE


def test_no_setting_stands_between_a_person_and_a_stop(
    tsq: Tsq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSQ__NONSENSE__KEY", "1")
    assert tsq("flatten", "--wait", "0.1").code == Exit.UNSAFE
    assert tsq("halt").code == Exit.UNSAFE


# -- nobody there --------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["halt", "resume"])
def test_a_silent_governor_is_never_taken_for_consent(tsq: Tsq, verb: str) -> None:
    answer = tsq(verb, "--cause", "back from lunch")
    assert answer.code == Exit.UNSAFE
    assert "did not answer" in answer.err


def test_who_stops_need_not_say_why_and_who_goes_on_must(tsq: Tsq) -> None:
    """Neither is answered here; only the second is not even asked."""
    assert tsq("halt").code == Exit.UNSAFE
    answer = tsq("resume")
    assert answer.code == Exit.USAGE
    assert "--cause" in answer.err


@pytest.mark.parametrize(
    ("words", "verb"),
    [((), "resume"), (("--adopt",), "adopt"), (("--wait",), "wait"), (("--sleeve", "x"), "resume")],
)
def test_resume_says_what_is_to_become_of_a_quarantine(
    tsq: Tsq, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], verb: str
) -> None:
    asked: list[str] = []

    def answers(_var: Path, verb: str, _arguments: dict[str, str]) -> dict[str, object]:
        asked.append(verb)
        return {"done": True, "text": "so it is"}

    monkeypatch.setattr(operator_command, "ask_governor", answers)
    assert tsq("resume", *words, "--cause", "looked at").code == Exit.OK
    assert asked == [verb]
    assert tsq("resume", "--adopt", "--wait").code == Exit.USAGE


def test_only_the_account_of_the_settings_can_be_armed(tsq: Tsq) -> None:
    other = tsq("arm", "SOMEBODY-ELSES")
    assert other.code == Exit.REFUSED
    assert "SIM-50K-1" in other.err
    assert "SOMEBODY-ELSES" in other.err
    assert tsq("arm", "SIM-50K-1").code == Exit.UNSAFE
    assert tsq("arm", "SIM-50K-1", "--off").code == Exit.UNSAFE


def test_down_of_nothing_is_done_already(tsq: Tsq) -> None:
    assert tsq("down", "--json").json == {"running": False}
    assert tsq("down").code == Exit.OK


def test_an_error_is_told_to_people_and_to_programs(tsq: Tsq) -> None:
    answer = tsq("replay", "--json")
    assert answer.code == Exit.USAGE
    assert answer.json["exit"] == Exit.USAGE
    assert answer.json["error"] in answer.err


def test_a_command_cut_short_has_not_succeeded(tsq: Tsq, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(_args: argparse.Namespace) -> Exit:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", cut)
    monkeypatch.setattr(logs, "run", cut)
    assert tsq("doctor").code == cli.INTERRUPTED
    assert tsq("logs").code == Exit.OK


# -- with a socket, with a pipe --------------------------------------------------------------------


def governor(var: Path, answer: bytes) -> threading.Thread:
    """Somebody at the governor's socket who says `answer` to whatever comes."""
    where = paths.governor_socket_path(paths.run_dir(var))
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(where))
    server.listen()

    def serve() -> None:
        with server, server.accept()[0] as visitor:
            visitor.recv(65536)
            visitor.sendall(answer)
        where.unlink()

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "answer", "code"),
    [
        (("halt",), b'{"done": true, "text": "halted"}\n', Exit.OK),
        (("resume", "--cause", "x", "--json"), b'{"done": true, "text": "resumed"}\n', Exit.OK),
        (
            ("resume", "--cause", "x"),
            b'{"done": false, "text": "clears at 17:00 CT"}\n',
            Exit.REFUSED,
        ),
        (("arm", "SIM-50K-1"), b'{"done": false, "text": "no arming"}\n', Exit.REFUSED),
        (("halt",), b"nonsense\n", Exit.UNSAFE),
        (("halt",), b"", Exit.UNSAFE),
        (("halt",), b"[1]\n", Exit.UNSAFE),
        (("halt",), b'{"done": tr', Exit.UNSAFE),
    ],
)
def test_the_governors_word_is_the_exit_code(
    tsq: Tsq, var: Path, verb: tuple[str, ...], answer: bytes, code: Exit
) -> None:
    helper = governor(var, answer)
    said = tsq(*verb)
    helper.join()
    assert said.code == code, said
    if code in (Exit.OK, Exit.REFUSED):
        assert json.loads(answer)["text"] in said.out

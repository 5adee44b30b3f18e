"""A process that hangs or eats memory is ended with its reason; a healthy one is left alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from shared.runtime import paths
from shared.runtime.exits import Exit
from shared.settings import REPO

pytestmark = pytest.mark.slow

BEGIN = """
import asyncio, itertools, sys, time
from shared.runtime.guard import Guard
guard = Guard("sleeve_x", {stuck}, 256)
guard.begin()
async def live(act, after):
    turning = asyncio.create_task(guard.run(None))
    await asyncio.sleep(after)
    act()
    await asyncio.sleep(60)
def never():
    while True:
        pass
def alone():
    sum(itertools.repeat(0))  # never gives up the interpreter
def hungry():
    try:
        kept = [bytearray(1_000_000) for _ in range(1_000)]
    except MemoryError:
        sys.exit(99)
def patient():
    sys.exit(0)
"""


def ended(act: str, *, stuck: float = 0.5, after: float = 0.6) -> subprocess.CompletedProcess[str]:
    code = textwrap.dedent(BEGIN.format(stuck=stuck)) + f"asyncio.run(live({act}, {after}))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_loop_without_end_ends_the_process_with_its_traceback() -> None:
    done = ended("never")
    assert done.returncode == Exit.STUCK
    assert "sleeve_x has not turned for 0.5 s and ends." in done.stderr
    assert "in never" in done.stderr


def test_code_that_lets_no_thread_run_is_ended_too() -> None:
    done = ended("alone", stuck=0.3)  # a thread's tick that it misses is none yet
    assert done.returncode == Exit.CRASHED
    assert "in alone" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel does not bound memory")
def test_an_allocation_too_many_fails_where_it_is_made() -> None:
    assert ended("hungry", stuck=30).returncode == 99


def test_a_process_whose_loop_turns_is_left_alone() -> None:
    assert ended("patient", after=2.0).returncode == 0


def test_a_sleeve_whose_constructor_never_comes_back_says_where(tmp_path) -> None:
    env = {
        **os.environ,
        "TSQ_VAR": str(tmp_path),
        "TSQ__SLEEVES__TREND__IMPLEMENTATION": "tests.sleeves_endless:Endless",
        "TSQ__SLEEVE_GUARD__STUCK_REAL_S": "0.1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.sleeves", "trend"],
        cwd=REPO,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    shutil.rmtree(paths.run_path(tmp_path), ignore_errors=True)
    assert done.returncode == Exit.STUCK, done.stderr
    assert "in prepare" in done.stderr

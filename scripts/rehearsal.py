"""A private copy of the whole cast: own folder, free ports, real supervisord; for demo and tests.

It watches from outside only: supervisord's RPC, the exporter's API, the simulator's ground truth,
the journals. It ends every process it began, by pid, and removes the run-time folder it caused.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess  # nosec B404 - starts supervisord, fixed words
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from scripts.supervise import TROUBLE, Program, call, configuration, programs
from shared.runtime.heartbeats import read_heartbeats
from shared.runtime.parent import die_with_parent
from shared.runtime.paths import run_path

T = TypeVar("T")
HOST = "127.0.0.1"
PATIENCE_S = 150.0
"""What ten processes may take on a machine that is busy; nothing is decided by less."""


class TimedOut(AssertionError):
    """Something that should have happened did not."""


def free_port() -> int:
    """A port that nobody else is given for a minute, so that many rehearsals may begin at once.

    A connection that the listening side ended leaves the port in TIME_WAIT: the kernel hands it to
    no one who asks for any port, while a server, which names it and sets SO_REUSEADDR, may bind.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, 0))
        listening.listen(1)
        port: int = listening.getsockname()[1]
        with socket.create_connection((HOST, port)):
            listening.accept()[0].close()
        return port


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended but was not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Rehearsal:
    """The cast on `var`. `settings` are TSQ__SECTION__KEY overrides, as environment."""

    def __init__(self, var: Path, **settings: str) -> None:
        self.var = var
        self.sim_port, self.page_port = free_port(), free_port()
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("TSQ_")},
            "TSQ_VAR": str(var),
            "TSQ_PYTHON": sys.executable,
            "TSQ__SIMULATOR__PORT": str(self.sim_port),
            "TSQ__METRICS_EXPORTER__PORT": str(self.page_port),
            **settings,
        }
        self.supervisord: subprocess.Popen[bytes] | None = None
        self.seen_pids: set[int] = set()

    # -- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start supervisord; returns at once."""
        (self.var / "log").mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration(self.var))]
        self.supervisord = subprocess.Popen(  # nosec B603 - fixed words, no shell
            words, env=self.environment, start_new_session=True, preexec_fn=die_with_parent
        )

    def stop(self, limit_s: float = PATIENCE_S) -> int:
        """The clean end: SIGTERM to supervisord, its own order. Returns its exit code."""
        assert self.supervisord is not None, "not started"
        self.pids()
        self.supervisord.terminate()
        return self.supervisord.wait(limit_s)

    def close(self) -> None:
        """Whatever happened: end what is left, by pid, and remove the run-time folder."""
        if self.supervisord is not None and self.supervisord.poll() is None:
            self.pids()
            self.supervisord.kill()
            self.supervisord.wait()
        for pid in self.seen_pids:
            if self.is_ours(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(run_path(self.var), ignore_errors=True)

    def is_ours(self, pid: int) -> bool:
        """A pid may have been reused; ours carry this folder in their environment."""
        try:
            return f"TSQ_VAR={self.var}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    # -- looking --------------------------------------------------------------------------------

    def programs(self) -> dict[str, Program]:
        found = {program.name: program for program in programs(self.var)}
        self.seen_pids |= {program.pid for program in found.values() if program.pid}
        return found

    def pids(self) -> dict[str, int]:
        """Pids of what runs now."""
        return {name: program.pid for name, program in self.programs().items() if program.pid}

    def pid(self, name: str) -> int:
        """The pid of a program, waited for while it is between two lives."""
        return self.wait(lambda: self.pids().get(name, 0), PATIENCE_S, f"{name} has a process")

    def get(self, port: int, path: str) -> Any:
        """GET as JSON; None while nobody answers."""
        return self._request(port, "GET", path, None)

    def api(self, path: str) -> Any:
        """The exporter's API: `api("/api/positions")`."""
        return self.get(self.page_port, path)

    def truth(self) -> dict[str, Any]:
        """The simulator's own account of everything. Raises TimedOut when it stays silent."""
        found: dict[str, Any] = self.wait(
            lambda: self.get(self.sim_port, "/sim/truth"),
            PATIENCE_S,
            "the simulator's ground truth",
        )
        return found

    def fault(self, kind: str, amount: int) -> bool:
        """Order a fault at the simulator, or its end (0). False when it did not say yes."""
        order = {"kind": kind, "amount": amount}
        return bool(self._request(self.sim_port, "POST", "/sim/fault", order))

    def market_ns(self) -> int:
        """Market time, by the simulator; 0 while it is silent."""
        return int((self.get(self.sim_port, "/sim/clock") or {}).get("marketNs", 0))

    def skip(self, market: str) -> bool:
        """Leave out the market until an ISO time. False while somebody holds or works anything."""
        return bool(self._request(self.sim_port, "POST", "/sim/clock", {"market": market}))

    def lots(self) -> dict[str, int]:
        """Positions by contract as the simulator has them."""
        return {row["contract"]: row["lots"] for row in self.truth()["positions"] if row["lots"]}

    def wait(self, question: Callable[[], T], limit_s: float, what: str) -> T:
        """Ask until the answer is truthy. Raises TimedOut naming `what`."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if answer := question():
                return answer
            time.sleep(0.05)
        raise TimedOut(f"not within {limit_s:g} s: {what}")

    # -- doing ----------------------------------------------------------------------------------

    def epoch(self, name: str) -> int:
        """Which life a program is in, by its own heartbeat; 0 before its first."""
        found = read_heartbeats(self.var).get(name)
        return found[0].epoch if found else 0

    def kill_and_wait(self, name: str, limit_s: float = PATIENCE_S) -> int:
        """SIGKILL a program and wait for the heartbeat of its next life. Returns its old pid."""
        old = self.epoch(name)
        pid = self.kill(name)
        self.wait(lambda: self.epoch(name) > old, limit_s, f"{name} lives again")
        return pid

    def ready(self, limit_s: float = PATIENCE_S) -> None:
        """Wait until the exporter says that everything is fresh and entries are allowed. Raises
        TimedOut with what it says instead, and who runs.
        """
        try:
            self.wait(
                lambda: (self.api("/readyz") or {}).get("ready"), limit_s, "the cast is ready"
            )
        except TimedOut as error:
            states = {name: program.state for name, program in self.programs().items()}
            raise TimedOut(f"{error}; told {self.api('/readyz')}, {states}") from None

    def known_lots(self) -> dict[str, int]:
        """Positions by contract as the router told the exporter."""
        rows = (self.api("/api/positions") or {}).get("positions", [])
        return {row["contract"]: row["position"] for row in rows if row["position"]}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Signal one program. Returns the pid it had."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def hold(self, name: str) -> None:
        """Kill a program and keep supervisord from bringing it back."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        with contextlib.suppress(*TROUBLE):
            call(self.var, "stopProcess", name, False)
        os.kill(pid, signal.SIGKILL)

    def release(self, name: str) -> None:
        """Let a held program run again; one that supervisord still buries is asked for again."""

        def begun() -> bool:
            with contextlib.suppress(*TROUBLE):
                call(self.var, "startProcess", name, False)
            program = self.programs().get(name)
            return program is not None and program.state in ("STARTING", "RUNNING")

        self.wait(begun, PATIENCE_S, f"{name} runs again")

    def _request(self, port: int, method: str, path: str, body: Any) -> Any:
        connection = http.client.HTTPConnection(HOST, port, timeout=5.0)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()

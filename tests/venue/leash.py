"""A foreign program on a leash: one JSON object per line in either direction, whatever speaks.

Reading happens in a thread of its own, so that a program that hangs costs a test its patience and
no more; at the end the program is killed by its id when it does not go by itself.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading

PATIENCE_S = 120  # decides nothing: it ends what hangs


class Leash:
    """The process of a command; what it says waits in a queue until somebody asks."""

    def __init__(self, *command, patience_s=PATIENCE_S, **options):
        self._patience_s = patience_s
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
        )
        self._told = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._told.put(json.loads(line))
        self._told.put(None)

    def heard(self):
        """The next thing it says; None when it has gone. Raises queue.Empty after the patience."""
        return self._told.get(timeout=self._patience_s)

    def say(self, what):
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def end(self):
        """Let it go; its exit code."""
        self._process.stdin.close()
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(PATIENCE_S)
        self._process.stdout.close()
        return code

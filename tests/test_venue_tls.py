"""Over TLS: sends from many threads while the reader reads, and a certificate nobody vouches for.

signalrcore's own client corrupts the stream here within a few dozen messages; ours holds one lock
around every read and write. The certificate is made on the spot, so openssl's command is needed.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
import threading
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from shared.settings import Credentials
from shared.venue import words
from shared.venue.client import VenueClient
from shared.venue.outcome import NotSent
from shared.venue.signalr_attempt import Attempt, HubLimits, trust
from tests.venue_hub import END, Hub

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command"),
]
LIMITS = HubLimits(connect_s=60.0, invoke_s=60.0, silence_s=60.0)  # only ends what hangs


@pytest.fixture(autouse=True)
def fresh_trust():
    """Whom we trust is read once a process; here the environment changes it."""
    trust.cache_clear()
    yield
    trust.cache_clear()


@pytest.fixture
def certificate(tmp_path):
    """(certificate, key) for localhost."""
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", files[0], "-keyout",
         files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


@asynccontextmanager
async def secure_hub(certificate):
    """A hub whose one endpoint speaks TLS; yields (hub, `localhost:port`)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    there = Hub()
    app = web.Application()
    app.router.add_get("/hub", there._serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield there, f"localhost:{runner.addresses[0][1]}"
    finally:
        there.rst()
        await runner.cleanup()


def test_many_threads_send_while_one_reads(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    heard = []

    async def run():
        async with secure_hub(certificate) as (there, where):
            attempt = Attempt(f"wss://{where}/hub", frozenset({"Q"}), heard.extend, LIMITS)
            await attempt.open()
            socket = attempt._socket()

            def shout():
                for _ in range(500):
                    socket.send('{"type":6}' + END)

            threads = [threading.Thread(target=shout) for _ in range(4)]
            for thread in threads:
                thread.start()
            record = json.dumps({"type": 1, "target": "Q", "arguments": ["x" * 300]}) + END
            for _ in range(2_000):
                await there.say(record)
            for thread in threads:
                await asyncio.to_thread(thread.join)
            async with asyncio.timeout(60):
                while len(heard) < 2_000 or there.pings < 2_000:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert await attempt.invoke("Fine", []) == 0
            assert not attempt.dead.is_set(), attempt.why
            await attempt.bury()

    asyncio.run(run())


def test_a_certificate_nobody_vouches_for_ends_the_attempt(certificate):
    async def run():
        async with secure_hub(certificate) as (there, where):
            attempt = Attempt(f"wss://{where}/hub", frozenset(), lambda batch: None, LIMITS)
            with pytest.raises(ConnectionError, match="certificate"):
                await attempt.open()
            await attempt.bury()
            assert there.tokens == []

    asyncio.run(run())


def test_a_request_to_a_stranger_s_certificate_never_leaves(certificate):
    async def run():
        async with secure_hub(certificate) as (_, where):
            client = VenueClient(f"https://{where}", Credentials("u", "s3cret"), 2.0)
            outcome = await client.place(
                words.PlaceOrder(account_id=1, contract_id="C", type=2, side=0, size=1)
            )
            await client.close()
            assert isinstance(outcome, NotSent)
            assert "s3cret" not in outcome.why

    asyncio.run(run())


def test_every_attempt_of_a_process_trusts_by_one_context():
    """A context is a megabyte, and signalrcore keeps that of an attempt alive in a cycle."""

    async def run():
        first, second = (
            Attempt("wss://127.0.0.1:1/hub", frozenset({"Q"}), print, LIMITS) for _ in range(2)
        )
        assert first._hub.ssl_context is second._hub.ssl_context is trust()

    asyncio.run(run())

"""A running Kith for the tests: its public API, its broker's administrator, and broker users of the tests."""

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit
from uuid import UUID

import httpx

from kith_events.topology import Topology

PATIENCE_S = 30.0
PASSWORD = "correct horse battery staple"
Found = TypeVar("Found")


def setting(name: str) -> str:
    value = os.environ.get(name)
    assert value, f"{name} is not set: run the tests with scripts/clients"
    return value


async def eventually(what: str, look: Callable[[], Awaitable[Found | None]]) -> Found:
    """Polls until a value is found or the limit has passed."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if (found := await look()) is not None:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE_S} s: {what}")


@contextmanager
def program(**topology) -> Iterator[tuple[Topology, str]]:
    """A program of the test on the broker, and the URL of its user. Both are deleted afterwards."""
    needs = Topology(f"python-{secrets.token_hex(4)}", **topology)
    password = secrets.token_hex(16)
    broker = urlsplit(setting("KITH_AMQP_URL"))
    place = broker.netloc.rsplit("@", 1)[-1]
    try:
        needs.apply(setting("KITH_RABBIT_API"), password)
        yield needs, f"{broker.scheme}://{quote(needs.name)}:{password}@{place}{broker.path}"
    finally:
        needs.remove(setting("KITH_RABBIT_API"))


def url_of(service: str) -> str:
    """The URL of a service's own user: consumers accept its messages from no other."""
    broker = urlsplit(setting("KITH_AMQP_URL"))
    place = broker.netloc.rsplit("@", 1)[-1]
    password = Path(setting("KITH_SECRETS"), f"{service}.broker").read_text().strip()
    return f"{broker.scheme}://{service}:{quote(password, safe='')}@{place}{broker.path}"


@dataclass
class Member:
    """A registered account with a session."""

    account_id: UUID
    api: httpx.AsyncClient

    @classmethod
    async def register(cls) -> "Member":
        api = httpx.AsyncClient(base_url=f"{setting('KITH_URL').rstrip('/')}/api/v1/", timeout=30)
        login = {"email": f"{secrets.token_hex(6)}@example.org", "password": PASSWORD}
        account = await posted(api, "accounts", {"name": "Nadia Client", **login})
        session = await posted(api, "sessions", login)
        api.headers["authorization"] = f"Bearer {session['access_token']}"
        return cls(UUID(account["id"]), api)

    async def adds_contact(self, name: str) -> UUID:
        contact = {"name": name, "emails": [f"{secrets.token_hex(6)}@example.org"], "phones": [], "urls": []}
        return UUID((await posted(self.api, "contacts", contact))["id"])

    async def got(self, path: str) -> dict:
        return read(await self.api.get(path))


async def posted(api: httpx.AsyncClient, path: str, body: dict) -> dict:
    return read(await api.post(path, json=body))


def read(answer: httpx.Response) -> dict:
    assert answer.is_success, f"{answer.request.url.path}: {answer.status_code} {answer.text}"
    return answer.json()

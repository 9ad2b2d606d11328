"""Creates, as the broker's administrator, a program's queue, bindings, and user with minimal rights.

Like Kith's services, the program itself may configure nothing.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from .catalogue import Message, message_of

# Crash loops end in the dead queue; a message whose handler fails goes there after the client's own attempts.
DELIVERY_LIMIT = 20


class Topology:
    """The topology of the program `name`: the user `name`, the queues `<name>.events` and `<name>.dead`."""

    def __init__(
        self,
        name: str,
        *,
        consumes: Sequence[type[BaseModel]] = (),
        publishes: Sequence[type[BaseModel]] = (),
        vhost: str = "/",
    ):
        self.name = name
        self.queue = f"{name}.events"
        self.dead_queue = f"{name}.dead"
        self._dead_exchange = f"dead.{name}"
        self._consumes = [message_of(data_type) for data_type in consumes]
        self._publishes = [message_of(data_type) for data_type in publishes]
        self._vhost = quote(vhost, safe="")

    def apply(self, management_url: str, password: str) -> None:
        """Creates what is missing. `management_url` is that of an administrator, with name and password."""
        with administrator(management_url) as api:
            self._make_exchanges(api)
            if self._consumes:
                self._make_queues(api)
            self._make_user(api, password)

    def remove(self, management_url: str) -> None:
        """Deletes the program's own user and queues; the exchanges of events stay."""
        with administrator(management_url) as api:
            paths = [self._of("queues", self.queue), self._of("queues", self.dead_queue)]
            paths += [self._of("exchanges", self._dead_exchange), f"users/{quote(self.name, safe='')}"]
            for path in paths:
                checked(api.delete(path), absent_is_fine=True)

    def _make_exchanges(self, api: httpx.Client) -> None:
        for exchange in sorted({message.exchange for message in (*self._consumes, *self._publishes)}):
            checked(api.put(self._of("exchanges", exchange), json={"type": "topic", "durable": True}))

    def _make_queues(self, api: httpx.Client) -> None:
        checked(api.put(self._of("exchanges", self._dead_exchange), json={"type": "fanout", "durable": True}))
        arguments = {"x-queue-type": "quorum"}
        checked(api.put(self._of("queues", self.dead_queue), json={"durable": True, "arguments": arguments}))
        self._bind(api, self._dead_exchange, self.dead_queue, "")
        arguments |= {"x-delivery-limit": DELIVERY_LIMIT, "x-dead-letter-exchange": self._dead_exchange}
        checked(api.put(self._of("queues", self.queue), json={"durable": True, "arguments": arguments}))
        for message in self._consumes:
            self._bind(api, message.exchange, self.queue, message.routing_key)

    def _bind(self, api: httpx.Client, exchange: str, queue: str, routing_key: str) -> None:
        path = f"bindings/{self._vhost}/e/{quote(exchange, safe='')}/q/{quote(queue, safe='')}"
        checked(api.post(path, json={"routing_key": routing_key}))

    def _make_user(self, api: httpx.Client, password: str) -> None:
        user = quote(self.name, safe="")
        checked(api.put(f"users/{user}", json={"password": password, "tags": ""}))
        rights = {"configure": "^$", "write": any_of(exchanges(self._publishes)), "read": any_of([self.queue])}
        checked(api.put(f"permissions/{self._vhost}/{user}", json=rights))
        # Only the named events of an owner, although the exchange carries all of them.
        for exchange in exchanges(self._publishes):
            keys = [message.routing_key for message in self._publishes if message.exchange == exchange]
            topic = {"exchange": exchange, "write": any_of(keys), "read": "^$"}
            checked(api.put(f"topic-permissions/{self._vhost}/{user}", json=topic))

    def _of(self, kind: str, name: str) -> str:
        return f"{kind}/{self._vhost}/{quote(name, safe='')}"


def exchanges(messages: Sequence[Message]) -> list[str]:
    return sorted({message.exchange for message in messages})


def any_of(names: Sequence[str]) -> str:
    """Returns the pattern that matches exactly these names."""
    return "^(" + "|".join(map(re.escape, names)) + ")$" if names else "^$"


def administrator(management_url: str) -> httpx.Client:
    return httpx.Client(base_url=f"{management_url.rstrip('/')}/api/", timeout=30)


def checked(answer: httpx.Response, *, absent_is_fine: bool = False) -> None:
    if answer.is_success or (absent_is_fine and answer.status_code == 404):
        return
    raise RuntimeError(f"{answer.request.method} {answer.request.url.path}: rejected by the broker: {answer.text}")

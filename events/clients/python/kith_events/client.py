"""A program's connection to the broker: publishes events, and consumes them from its queue."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError
from pydantic import BaseModel

from .binding import to_message
from .catalogue import Message, UnknownMessage, message_of
from .consumer import CONNECT_LIMIT_S, Handler, consume
from .envelope import Envelope

CONFIRM_LIMIT_S = 10.0


class NotPublished(Exception):
    """The broker has not confirmed the event, or no queue is bound to it. Publish it again with the same id."""


@asynccontextmanager
async def connect(url: str, *, source: str) -> AsyncIterator["Client"]:
    """Returns a client that publishes as `source`, such as `/billing`. Raises if the broker is unreachable."""
    client = Client(url, source=source)
    try:
        await client.open()
        yield client
    finally:
        await client.close()


class Client:
    """Created by `connect`. Lost connections are replaced.

    It publishes over one connection and consumes over others: while an alarm is raised, the broker blocks the
    connection that publishes, and acknowledgements must continue.
    """

    def __init__(self, url: str, *, source: str):
        self._url = url
        self._source = source
        self._user = unquote(urlsplit(url).username or "guest")
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> AbstractChannel:
        """Returns the channel for publishing; reopens it if it was lost."""
        async with self._opening:
            if self._channel is None:
                self._connection = await aio_pika.connect(self._url, timeout=CONNECT_LIMIT_S)
                self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            return self._channel

    async def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            await connection.close()

    async def publish(self, data: BaseModel, *, caused_by: Envelope | None = None, **attributes: Any) -> Envelope:
        """Publishes an event and returns when the broker has stored it in every bound queue.

        `attributes` are those of Envelope; the subject is taken from the data unless given. Raises InvalidData,
        EnvelopeError, and NotPublished if the broker rejects the event or no queue is bound to it.
        """
        message = message_of(type(data))
        if message.kind != "event":
            raise UnknownMessage(f"{message.name} is a {message.kind}: only events can be published")
        body = message.write(data)
        attributes.setdefault("subject", message.subject(data))
        envelope = Envelope(name=message.name, source=self._source, **attributes)
        if caused_by is not None:
            envelope = envelope.caused_by(caused_by)
        await self._send(message, envelope, body)
        return envelope

    async def _send(self, message: Message, envelope: Envelope, body: bytes) -> None:
        carried = to_message(envelope.to_cloud_event(body))
        outgoing = aio_pika.Message(
            carried.body,
            headers=carried.headers,
            content_type=carried.content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=str(envelope.id),
            user_id=self._user,
        )
        try:
            channel = await self.open()
            exchange = await channel.get_exchange(message.exchange, ensure=False)
            await exchange.publish(outgoing, message.routing_key, mandatory=True, timeout=CONFIRM_LIMIT_S)
        except DeliveryError:
            raise NotPublished(f"{message.name}: no queue is bound to it, or the broker could not store it") from None
        except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
            # The channel, the connection or the broker may be broken: the next event uses new ones.
            await self.close()
            raise NotPublished(f"{message.name}: {error or 'no confirm in time'}") from error

    async def consume(
        self,
        queue: str,
        handlers: Mapping[type[BaseModel], Handler],
        *,
        waits: Sequence[float] = (1.0, 5.0, 30.0),
        prefetch: int = 16,
    ) -> None:
        """Handles the messages of a queue one by one, in order, until cancelled.

        Unacknowledged messages are then redelivered. Each is acknowledged after its handler has returned. A handler
        that fails is called again after each of the `waits` (seconds), then the message is rejected. A message that
        cannot be read, or whose handler raises Refused, is rejected at once. Rejected messages go to the queue's
        dead-letter exchange, and are logged with the reason.
        """
        await consume(self._url, queue, handlers, waits, prefetch)

"""Handles the messages of a queue: each is acknowledged after its handler, or rejected with a reason."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelClosed
from pydantic import BaseModel

from .binding import NotACloudEvent, from_message
from .catalogue import InvalidData, Message, message_of
from .envelope import Envelope, EnvelopeError

log = logging.getLogger("kith_events")

CONNECT_LIMIT_S = 10.0
RECONNECT_WAIT_S = 1.0
Handler = Callable[[Any, Envelope], Awaitable[None]]
ByName = Mapping[str, tuple[Message, Handler]]


class Refused(Exception):
    """The message can never be handled, however often it is delivered. A handler may raise it too."""


async def consume(
    url: str, queue: str, handlers: Mapping[type[BaseModel], Handler], waits: Sequence[float], prefetch: int
) -> None:
    """Handles the messages of a queue until cancelled; reconnects if the connection is lost."""
    by_name = {message_of(data_type).name: (message_of(data_type), handler) for data_type, handler in handlers.items()}
    while True:
        try:
            async with await aio_pika.connect(url, timeout=CONNECT_LIMIT_S) as connection:
                await take_from(connection, queue, by_name, waits, prefetch)
            log.warning("%s: connection lost", queue)
        except ChannelClosed:
            # The broker denies access: the queue does not exist, or the user may not read it.
            raise
        except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
            log.warning("%s: broker unreachable: %s", queue, error)
        await asyncio.sleep(RECONNECT_WAIT_S)


async def take_from(
    connection: AbstractConnection, queue: str, by_name: ByName, waits: Sequence[float], prefetch: int
) -> None:
    """Handles the messages of a queue until the channel is closed or the queue is deleted."""
    # Not aio-pika's iterator: if cancelled on a lost connection, it raises another error instead of the cancellation.
    waiting: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=prefetch)
    source = await channel.get_queue(queue, ensure=False)
    for end in (channel, source):
        end.close_callbacks.add(lambda *_: waiting.put_nowait(None))
    await source.consume(waiting.put)
    while (delivery := await waiting.get()) is not None and not channel.is_closed:
        await bring_to_an_end(delivery, by_name, waits)


async def bring_to_an_end(delivery: AbstractIncomingMessage, by_name: ByName, waits: Sequence[float]) -> None:
    """Handles a message and acknowledges or rejects it."""
    try:
        await handle(delivery, by_name, waits)
        end = delivery.ack()
    except Refused as refusal:
        log.warning("rejected: %s", refusal, exc_info=refusal.__cause__)
        end = delivery.reject(requeue=False)
    try:
        await end
    except CONNECTION_EXCEPTIONS as error:
        # The connection that delivered it is lost: the broker redelivers the message on the next one.
        log.warning("message %s was not acknowledged and will be redelivered: %s", delivery.message_id, error)


async def handle(delivery: AbstractIncomingMessage, by_name: ByName, waits: Sequence[float]) -> None:
    """Calls the handler, again after each wait. Raises Refused."""
    envelope, data, handler = read(delivery, by_name)
    for wait in (*waits, None):
        try:
            return await handler(data, envelope)
        except Refused as refusal:
            raise Refused(f"{envelope.name} {envelope.id}: {refusal}") from None
        except Exception as error:  # a handler may raise anything
            if wait is None:
                raise Refused(f"{envelope.name} {envelope.id}: failed {len(waits) + 1} times") from error
            log.warning("%s %s failed; retrying in %s s", envelope.name, envelope.id, wait, exc_info=error)
            await asyncio.sleep(wait)


def read(delivery: AbstractIncomingMessage, by_name: ByName) -> tuple[Envelope, BaseModel, Handler]:
    """Decodes a message and finds its handler. Raises Refused."""
    try:
        event = from_message(delivery.headers, delivery.content_type, delivery.body)
        envelope = Envelope.from_cloud_event(event)
        if envelope.name not in by_name:
            raise Refused(f"message {envelope.id}: there is no handler for {envelope.name}")
        message, handler = by_name[envelope.name]
        data = message.read(delivery.body)
    except (NotACloudEvent, EnvelopeError, InvalidData) as error:
        raise Refused(f"message {delivery.message_id}: {error}") from None
    # The broker refuses a user id that is not the sender's own, so this is the one header that cannot be forged.
    owner = envelope.name.split(".")[0]
    if delivery.user_id != owner:
        sender = delivery.user_id or "a publisher without a user id"
        raise Refused(f"{envelope.name} {envelope.id}: published by {sender}, only {owner} may publish it")
    return envelope, data, handler

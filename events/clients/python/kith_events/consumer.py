"""Takes messages from a queue and sees to it that each is handled and then acknowledged, or given up for a reason."""

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
    """A message that will never be handled, however often it comes. A handler may raise it too."""


async def consume(
    url: str, queue: str, handlers: Mapping[type[BaseModel], Handler], waits: Sequence[float], prefetch: int
) -> None:
    """Handles what is in a queue until cancelled, over a new connection whenever the last is lost."""
    by_name = {message_of(data_type).name: (message_of(data_type), handler) for data_type, handler in handlers.items()}
    while True:
        try:
            async with await aio_pika.connect(url, timeout=CONNECT_LIMIT_S) as connection:
                await take_from(connection, queue, by_name, waits, prefetch)
            log.warning("%s: the connection is lost", queue)
        except ChannelClosed:
            # The broker says no: the queue is not there, or not ours to read.
            raise
        except (*CONNECTION_EXCEPTIONS, TimeoutError) as error:
            log.warning("%s: the broker cannot be reached: %s", queue, error)
        await asyncio.sleep(RECONNECT_WAIT_S)


async def take_from(
    connection: AbstractConnection, queue: str, by_name: ByName, waits: Sequence[float], prefetch: int
) -> None:
    """Handles what is in a queue until the channel is closed or the queue is gone."""
    # Not aio-pika's iterator: cancelled on a lost connection, it raises another error in place of the cancellation.
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
    """Handles a message and acknowledges it, or gives it up."""
    try:
        await handle(delivery, by_name, waits)
        end = delivery.ack()
    except Refused as refusal:
        log.warning("refused: %s", refusal, exc_info=refusal.__cause__)
        end = delivery.reject(requeue=False)
    try:
        await end
    except CONNECTION_EXCEPTIONS as error:
        # The connection that brought it is gone: the broker hands it out again on the next one.
        log.warning("message %s is not acknowledged and will come again: %s", delivery.message_id, error)


async def handle(delivery: AbstractIncomingMessage, by_name: ByName, waits: Sequence[float]) -> None:
    """Calls the handler, again after each wait. Raises Refused."""
    envelope, data, handler = read(delivery, by_name)
    for wait in (*waits, None):
        try:
            return await handler(data, envelope)
        except Refused as refusal:
            raise Refused(f"{envelope.name} {envelope.id}: {refusal}") from None
        except Exception as error:  # whatever the handler raises is for us to survive
            if wait is None:
                raise Refused(f"{envelope.name} {envelope.id}: failed {len(waits) + 1} times") from error
            log.warning("%s %s failed, again in %s s", envelope.name, envelope.id, wait, exc_info=error)
            await asyncio.sleep(wait)


def read(delivery: AbstractIncomingMessage, by_name: ByName) -> tuple[Envelope, BaseModel, Handler]:
    """What was sent, and who handles it. Raises Refused."""
    try:
        event = from_message(delivery.headers, delivery.content_type, delivery.body)
        envelope = Envelope.from_cloud_event(event)
        if envelope.name not in by_name:
            raise Refused(f"message {envelope.id}: there is no handler for {envelope.name}")
        message, handler = by_name[envelope.name]
        return envelope, message.read(delivery.body), handler
    except (NotACloudEvent, EnvelopeError, InvalidData) as error:
        raise Refused(f"message {delivery.message_id}: {error}") from None

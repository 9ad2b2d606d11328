"""The client with the six services, on a real broker."""

import asyncio
import logging
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import aio_pika
import httpx
import pytest
from aiormq.exceptions import ChannelAccessRefused
from kith import Member, eventually, program, setting, url_of

from kith_events import Envelope, NotPublished, connect
from kith_events.messages.contacts import ContactAdded, ContactRemoved
from kith_events.messages.network import IdentityLinked
from kith_events.messages.notifications import Failed


@asynccontextmanager
async def consuming(client, queue, handlers, **options):
    """Consumes until the block ends; fails if consuming has failed."""
    task = asyncio.create_task(client.consume(queue, handlers, **options))
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def added(owner_id: UUID | None = None) -> ContactAdded:
    return ContactAdded(
        contact_id=uuid4(),
        owner_id=owner_id or uuid4(),
        name="Zoë Müller",
        emails=[],
        phones=[],
        urls=[],
        added_at="2026-11-01T09:30:00Z",
    )


async def test_a_service_of_kith_acts_on_a_published_event():
    member = await Member.register()
    contact_id = await member.adds_contact("Tadeusz Łukasik")

    async def person():
        return (await member.got(f"contacts/{contact_id}")).get("person_id")

    person_id = await eventually("the network links the contact", person)
    linked = IdentityLinked(contact_id=contact_id, owner_id=member.account_id, person_id=person_id, joined=True)
    async with connect(url_of("network"), source="/network") as client:
        sent = await client.publish(linked, sequence=2, actor=member.account_id)

    async def told():
        feed = (await member.got("notifications"))["items"]
        return next((notice["title"] for notice in feed if notice["kind"] == "contact-joined"), None)

    assert await eventually("the feed shows it", told) == "Tadeusz Łukasik has joined Kith"
    assert (sent.subject, sent.sequence) == (str(contact_id), 2)


async def test_an_event_of_a_service_of_kith_is_received_typed():
    received: asyncio.Queue[tuple[ContactAdded, Envelope]] = asyncio.Queue()

    async def on_contact_added(contact: ContactAdded, envelope: Envelope) -> None:
        await received.put((contact, envelope))

    with program(consumes=[ContactAdded]) as (needs, url):
        async with connect(url, source="/python") as client:
            async with consuming(client, needs.queue, {ContactAdded: on_contact_added}):
                member = await Member.register()
                contact_id = await member.adds_contact("Zoë Müller")
                async with asyncio.timeout(30):
                    contact, envelope = await received.get()
                    while contact.owner_id != member.account_id:
                        contact, envelope = await received.get()

    assert isinstance(contact, ContactAdded)
    assert (contact.contact_id, contact.name) == (contact_id, "Zoë Müller")
    assert (envelope.name, envelope.source) == ("contacts.contact-added.v1", "/contacts")
    assert (envelope.subject, envelope.sequence) == (str(contact_id), 1)
    assert envelope.actor == member.account_id
    assert envelope.traceparent and envelope.correlation_id


async def test_the_example_of_the_guide_greets_a_new_contact():
    example = Path(__file__).parents[1] / "examples/greeter.py"
    assert example.read_text() in (Path(__file__).parents[2] / "README.md").read_text(), "the README shows another text"

    with program(consumes=[ContactAdded]) as (needs, url):
        surroundings = os.environ | {"BROKER_URL": url, "QUEUE": needs.queue}
        greeter = await asyncio.create_subprocess_exec(
            sys.executable, example, env=surroundings, stdout=asyncio.subprocess.PIPE
        )
        try:
            name = f"Zoë {uuid4()}"
            await (await Member.register()).adds_contact(name)
            async with asyncio.timeout(30):
                while (line := (await greeter.stdout.readline()).decode()) and name not in line:
                    pass
        finally:
            greeter.terminate()
            await greeter.wait()

    assert line == f"hello {name}, from /contacts\n"


async def test_an_invalid_document_is_refused_with_its_path_and_without_its_value(caplog):
    caplog.set_level(logging.WARNING, "kith_events")
    handled: asyncio.Queue[ContactRemoved] = asyncio.Queue()

    async def on_contact_removed(removed: ContactRemoved, _: Envelope) -> None:
        await handled.put(removed)

    with program(consumes=[ContactRemoved]) as (needs, url):
        await published_by_hand(needs.queue, b'{"contact_id": "grandma\'s secret", "owner_id": 7}')
        async with connect(url, source="/python") as client:
            async with consuming(client, needs.queue, {ContactRemoved: on_contact_removed}):
                dead = await eventually("the message is in the dead queue", lambda: message_in(needs.dead_queue))

    assert b"grandma" in dead
    assert handled.empty()
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("rejected")]
    assert '$.contact_id: should be of format "uuid"' in line
    assert '$.owner_id: should be of type "string"' in line
    assert "grandma" not in line and "7" not in line.split("contacts.contact-removed.v1:")[1]


async def test_a_handler_that_fails_is_called_again_and_then_the_event_is_given_up(caplog):
    calls = []

    async def on_contact_removed(removed: ContactRemoved, _: Envelope) -> None:
        calls.append(removed.contact_id)
        raise ConnectionError("the database is unavailable")

    removed = ContactRemoved(contact_id=uuid4(), owner_id=uuid4(), removed_at="2026-11-01T09:30:00Z")
    with program(consumes=[ContactRemoved]) as (needs, url):
        async with connect(url_of("contacts"), source="/contacts") as contacts, connect(url, source="/python") as client:
            await contacts.publish(removed, sequence=1)
            async with consuming(client, needs.queue, {ContactRemoved: on_contact_removed}, waits=(0.01, 0.01)):
                await eventually("the message is in the dead queue", lambda: message_in(needs.dead_queue))

    assert calls == [removed.contact_id] * 3


async def test_an_event_that_came_while_the_connection_was_lost_is_handled():
    handled: asyncio.Queue[ContactRemoved] = asyncio.Queue()

    async def on_contact_removed(removed: ContactRemoved, _: Envelope) -> None:
        await handled.put(removed)

    before, forged, after = (
        ContactRemoved(contact_id=uuid4(), owner_id=uuid4(), removed_at="2026-11-01T09:30:00Z") for _ in range(3)
    )
    with program(consumes=[ContactRemoved], publishes=[ContactRemoved]) as (needs, url):
        async with connect(url_of("contacts"), source="/contacts") as contacts, connect(url, source="/python") as client:
            async with consuming(client, needs.queue, {ContactRemoved: on_contact_removed}), asyncio.timeout(60):
                await contacts.publish(before, sequence=1)
                assert await handled.get() == before
                await eventually("both connections are cut", lambda: connections_cut(needs.name))
                await eventually("it publishes again", lambda: is_published(client, forged))
                await contacts.publish(after, sequence=1)
                while (again := await handled.get()) != after:
                    assert again == before


async def test_an_event_that_another_program_than_its_owner_has_published_is_rejected(caplog):
    caplog.set_level(logging.WARNING, "kith_events")
    handled: asyncio.Queue[ContactRemoved] = asyncio.Queue()

    async def on_contact_removed(removed: ContactRemoved, _: Envelope) -> None:
        await handled.put(removed)

    removed = ContactRemoved(contact_id=uuid4(), owner_id=uuid4(), removed_at="2026-11-01T09:30:00Z")
    with program(consumes=[ContactRemoved], publishes=[ContactRemoved]) as (needs, url):
        async with connect(url, source="/contacts") as client:
            await client.publish(removed, sequence=1)
            async with consuming(client, needs.queue, {ContactRemoved: on_contact_removed}):
                await eventually("the message is in the dead queue", lambda: message_in(needs.dead_queue))

    assert handled.empty()
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("rejected")]
    assert f"published by {needs.name}, only contacts may publish it" in line


async def test_what_is_another_program_s_is_refused():
    removed = ContactRemoved(contact_id=uuid4(), owner_id=uuid4(), removed_at="2026-11-01T09:30:00Z")
    with program(publishes=[IdentityLinked]) as (_, url):
        async with connect(url, source="/python") as client:
            with pytest.raises(NotPublished, match="contact-removed.v1: .*ACCESS_REFUSED"):
                await client.publish(removed, sequence=1)
            with pytest.raises(ChannelAccessRefused):
                await client.consume("contacts.events", {})


async def test_an_event_that_nobody_listens_to_is_taken_by_the_history():
    ids = {"notification_id": uuid4(), "account_id": uuid4()}
    said = {"kind": "import-finished", "channel": "email", "reason": "no such mailbox"}
    failed = Failed(**ids, **said, failed_at="2026-11-01T09:30:00Z")
    with program(publishes=[Failed]) as (_, url):
        async with connect(url, source="/notifications") as client:
            await client.publish(failed, sequence=1)  # Raises NotPublished if no queue is bound.


async def published_by_hand(queue: str, body: bytes) -> None:
    envelope = Envelope(name="contacts.contact-removed.v1", source="/by-hand")
    headers = {"cloudEvents_specversion": "1.0", "cloudEvents_id": str(envelope.id), "cloudEvents_source": "/by-hand"}
    headers |= {"cloudEvents_type": envelope.name, "cloudEvents_time": envelope.time.isoformat()}
    async with await aio_pika.connect(setting("KITH_AMQP_URL")) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(body, headers=headers), queue)


async def message_in(queue: str) -> bytes | None:
    async with await aio_pika.connect(setting("KITH_AMQP_URL")) as connection:
        channel = await connection.channel()
        message = await (await channel.get_queue(queue)).get(no_ack=True, fail=False)
        return message and message.body


async def is_published(client, data) -> Envelope | None:
    try:
        return await client.publish(data, sequence=2)
    except NotPublished:
        return None


async def connections_cut(user: str) -> int | None:
    """Closes the connections of a user, once the broker lists both."""
    async with httpx.AsyncClient(base_url=f"{setting('KITH_RABBIT_API')}/api/", timeout=30) as api:
        listed = (await api.get("connections")).json()
        names = [connection["name"] for connection in listed if connection["user"] == user]
        if len(names) < 2:
            return None
        for name in names:
            (await api.delete(f"connections/{httpx.URL('/' + name).raw_path.decode()[1:]}")).raise_for_status()
        return len(names)

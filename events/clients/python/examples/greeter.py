"""Greets every new contact."""

import asyncio
import os

from kith_events import Envelope, connect
from kith_events.messages.contacts import ContactAdded


async def on_contact_added(added: ContactAdded, envelope: Envelope) -> None:
    print(f"hello {added.name}, from {envelope.source}", flush=True)


async def main() -> None:
    async with connect(os.environ["BROKER_URL"], source="/greeter") as client:
        await client.consume(os.environ["QUEUE"], {ContactAdded: on_contact_added})


asyncio.run(main())

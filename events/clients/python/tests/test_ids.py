"""Ids that are not UUIDs: the test vectors that the Rust, Python and TypeScript readers of the envelope share."""

import json
from pathlib import Path

import pytest

from kith_events import Envelope, EnvelopeError
from kith_events.binding import NotACloudEvent, from_message

VECTORS = json.loads((Path(__file__).parents[3] / "tests/vectors/ids.json").read_text())
FIELDS = {"id": "id", "correlationid": "correlation_id", "causationid": "causation_id", "actor": "actor"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['attribute']} {vector['text'][:40]!a}")
def test_an_id_that_is_not_a_uuid_is_read_as_the_same_uuid_in_every_language(vector):
    attributes = {
        "specversion": "1.0",
        "id": "00000000-0000-0000-0000-000000000007",
        "type": "contacts.contact-added.v1",
        "time": "2026-11-01T09:30:00Z",
        "source": vector["source"],
        vector["attribute"]: vector["text"],
    }
    headers = {f"cloudEvents:{name}": value for name, value in attributes.items()}

    try:
        read = Envelope.from_cloud_event(from_message(headers, "application/json", b"{}"))
        found = str(getattr(read, FIELDS[vector["attribute"]]))
    except (EnvelopeError, NotACloudEvent):
        found = None

    assert found == vector["uuid"]

"""Schema, type and example agree for every message; invalid data is reported by its path alone."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from kith_events import Envelope, EnvelopeError, InvalidData, UnknownMessage, message_named, message_of
from kith_events.catalogue import catalogue
from kith_events.messages.contacts import ContactAdded

SCHEMAS = sorted((Path(__file__).parents[3] / "schemas").glob("*/*.v*.json"))


def named(path: Path):
    return message_named(f"{path.parent.name}.{path.stem}")


def test_every_file_is_a_message():
    assert len(catalogue()) == len(SCHEMAS) > 0
    assert message_of(ContactAdded) is message_named("contacts.contact-added.v1")


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_every_example_is_read_and_written_without_loss(path):
    message = named(path)
    for example in json.loads(path.read_text())["examples"]:
        written = message.write(message.read(json.dumps(example).encode()))

        assert json.loads(written) == example


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_a_missing_required_field_is_named(path):
    schema = json.loads(path.read_text())
    for field in schema.get("required", []):
        example = {name: value for name, value in schema["examples"][0].items() if name != field}

        with pytest.raises(InvalidData) as refusal:
            named(path).read(json.dumps(example).encode())

        assert refusal.value.problems == [f"$.{field}: is missing"]


def test_what_a_reader_does_not_know_is_left_out():
    example = json.loads(SCHEMAS[0].read_text())["examples"][0]

    read = named(SCHEMAS[0]).read(json.dumps(example | {"a_field_of_tomorrow": 1}).encode())

    assert json.loads(named(SCHEMAS[0]).write(read)) == example


def test_invalid_data_is_refused_on_the_way_out_too():
    # pydantic validates on construction; model_construct skips that.
    added = ContactAdded.model_construct(contact_id="Zoe's secret", name=None, emails=[4711])

    with pytest.raises(InvalidData) as refusal:
        message_of(ContactAdded).write(added)

    text = str(refusal.value)
    assert '$.contact_id: should be of format "uuid"' in text
    assert '$.emails[0]: should be of type "string"' in text
    assert "$.name: is missing" in text
    assert "secret" not in text and "4711" not in text


@pytest.mark.parametrize("value", [4294967296, -1, 1.5, True])
def test_a_number_that_no_service_of_kith_could_read_is_refused(value):
    message = message_named("contacts.import-finished.v1")
    finished = message.schema["$defs"]["ImportFinished"]["examples"][0] | {"added": value}

    with pytest.raises(InvalidData, match=r"\$\.added: should be of "):
        message.read(json.dumps(finished).encode())


@pytest.mark.parametrize("body", [b"", b"Zoe", b"[1]", b"\xff"])
def test_what_is_no_document_is_refused(body):
    with pytest.raises(InvalidData, match=r"\$: ") as refusal:
        message_of(ContactAdded).read(body)

    assert refusal.value.__cause__ is None and "Zoe" not in str(refusal.value)


def test_a_name_without_a_schema_is_refused():
    with pytest.raises(UnknownMessage, match="contacts.contact-painted.v1"):
        message_named("contacts.contact-painted.v1")


def test_what_is_sent_in_a_handler_belongs_to_the_chain_of_its_cause():
    trace, actor = "00-00000000000000000000000000000001-0000000000000002-01", uuid4()
    cause = Envelope(name="a.b.v1", source="/a", traceparent=trace, actor=actor)

    sent = Envelope(name="a.c.v1", source="/b").caused_by(cause)
    after = Envelope(name="a.d.v1", source="/c", actor=UUID(int=7)).caused_by(sent)

    assert (sent.correlation_id, sent.causation_id, sent.actor, sent.traceparent) == (cause.id, cause.id, actor, trace)
    assert (after.correlation_id, after.causation_id, after.actor) == (cause.id, sent.id, UUID(int=7))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("sequence", 0),
        ("sequence", 2**40 + 1),
        ("traceparent", "00-1-2-01"),
        ("time", datetime(2026, 11, 1)),
        ("traceparent", f"00-{'0' * 32}-{'1' * 16}-01"),
    ],
)
def test_an_attribute_that_kith_could_not_read_is_refused(attribute, value):
    with pytest.raises(EnvelopeError, match=attribute):
        Envelope(**{"name": "a.b.v1", "source": "/a", "time": datetime.now(UTC), attribute: value})

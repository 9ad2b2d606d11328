"""The CloudEvents project's own test data, where it concerns events in AMQP's binary mode.

It is not part of the repository: KITH_TEST_DATA names its folder. Without it, the tests are skipped.
"""

import base64
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import jsonschema
import pytest
import yaml
from cloudevents.core.v1.event import CloudEvent
from dateutil.parser import isoparse

from kith_events import Envelope, EnvelopeError
from kith_events.binding import Carried, NotACloudEvent, from_message, to_message

REPOSITORY = Path(__file__).resolve().parents[4]
FOLDER = (REPOSITORY / os.environ.get("KITH_TEST_DATA", "../shared/data")).resolve() / "contracts/cloudevents"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} does not exist: set KITH_TEST_DATA")


def spec_examples() -> list[dict]:
    """Returns the events among the examples. In the JSON format, an attribute that is null counts as not set."""
    examples = [example["event"] for example in json.loads((FOLDER / "spec-examples.json").read_text())]
    return [{k: v for k, v in event.items() if v is not None} for event in examples if isinstance(event, dict)]


def minimal_events() -> list[dict]:
    documents = yaml.safe_load_all((FOLDER / "v1_minimum.yaml").read_text())
    return [{**read["ContextAttributes"], "data": read["Data"]} for read in documents]


def minimal(event: dict) -> dict:
    return {name: str(value) for name, value in event.items()}


def body_of(event: dict) -> bytes:
    """Returns the data as a binary message carries it."""
    if "data_base64" in event:
        return base64.b64decode(event["data_base64"])
    is_json = "json" in event.get("datacontenttype", "application/json")
    return json.dumps(event["data"]).encode() if is_json else event["data"].encode()


def attributes_of(event: dict) -> dict:
    attributes = {name: value for name, value in event.items() if name not in ("data", "data_base64")}
    return attributes | ({"time": isoparse(event["time"])} if "time" in event else {})


def carried(event: dict, body: bytes) -> Carried:
    attributes = attributes_of(event)
    made = CloudEvent(dict(attributes), body)
    if "time" not in attributes:
        made.get_attributes().pop("time")
    return to_message(made)


def assert_nothing_is_lost(event: dict, body: bytes) -> None:
    message = carried(event, body)
    underscored = {name.replace(":", "_", 1): value for name, value in message.headers.items()}

    assert all(name.startswith("cloudEvents:") for name in message.headers)
    for headers in (message.headers, underscored):
        read = from_message(headers, message.content_type, message.body)
        assert read.get_attributes() == attributes_of(event)
        assert read.get_data() == body


def test_every_example_of_the_specification_comes_back_from_headers_without_loss():
    examples = spec_examples()

    assert len(examples) >= 9
    for event in examples:
        assert_nothing_is_lost(event, body_of(event))


def test_every_minimal_event_comes_back_from_headers_without_loss():
    events = [minimal(event) for event in minimal_events()]

    assert len(events) == 6
    for event in events:
        assert_nothing_is_lost(event, event["data"].encode())


def test_what_lacks_a_required_attribute_is_refused_by_its_name():
    for event in spec_examples():
        message = carried(event, body_of(event))
        for required in schema()["required"]:
            headers = dict(message.headers)
            del headers[f"cloudEvents:{required}"]
            with pytest.raises(NotACloudEvent, match=f"{required} is missing"):
                from_message(headers, message.content_type, message.body)
            with pytest.raises(NotACloudEvent, match=required):
                from_message(headers | {f"cloudEvents:{required}": ""}, message.content_type, message.body)


def test_a_time_that_is_none_and_another_version_are_refused():
    message = carried(spec_examples()[0], b"{}")
    for attribute, value in [("time", "yesterday"), ("time", "2026-11-01T09:30:00"), ("specversion", "0.3")]:
        with pytest.raises(NotACloudEvent, match=attribute):
            from_message(message.headers | {f"cloudEvents:{attribute}": value}, None, b"{}")


def test_the_binary_mode_of_the_feature_file_is_read_from_headers():
    feature = (FOLDER / "http-protocol-binding.feature").read_text().split("Scenario Outline:")[1]
    sent = dict(re.findall(r"^\s*ce-(\w+): (.+)$", feature, re.MULTILINE))
    table = dict(re.findall(r"^\s*\| +(\w+) \| (\S+) +\|$", feature, re.MULTILINE))
    data = re.findall(r'"""\n(.+?)\n\s*"""', feature, re.DOTALL)[1]
    content_types = re.findall(r"^\s*\| (application/\S+(?: charset=\S+)?) +\|$", feature, re.MULTILINE)

    assert len(sent) == 5 and len(content_types) == 2
    for content_type in content_types:
        read = from_message({f"cloudEvents:{name}": value for name, value in sent.items()}, content_type, data.encode())
        expected = {**table, "datacontenttype": content_type, "time": isoparse(table["time"])}
        assert read.get_attributes() == expected
        assert json.loads(read.get_data()) == {"message": "Hello World!"}


def test_what_an_envelope_writes_is_a_cloud_event_by_the_specification_s_schema():
    trace = "00-00000000000000000000000000000001-0000000000000002-01"
    ids = {"correlation_id": uuid4(), "causation_id": uuid4(), "actor": uuid4()}
    envelope = Envelope(name="a.b.v1", source="/a", subject="s", sequence=3, traceparent=trace, **ids)

    message = to_message(envelope.to_cloud_event(b'{"a":1}'))
    written = {name.removeprefix("cloudEvents:"): value for name, value in message.headers.items()}

    jsonschema.validate({**written, "datacontenttype": message.content_type, "data": {"a": 1}}, schema())
    read = from_message(message.headers | {"cloudEvents:ofanother": "x"}, message.content_type, message.body)
    assert Envelope.from_cloud_event(read) == envelope


def test_which_examples_kith_s_envelope_refuses_and_why():
    for event in [*spec_examples(), *map(minimal, minimal_events())]:
        message = carried(event, b"{}")
        read = from_message(message.headers, message.content_type, message.body)
        try:
            Envelope.from_cloud_event(read)
            reason = None
        except EnvelopeError as refusal:
            reason = str(refusal)

        assert reason == (None if read.get_time() else "the attribute time is missing")


def test_a_native_timestamp_is_read():
    message = carried(spec_examples()[0], b"{}")

    read = from_message(message.headers | {"cloudEvents:time": 1793525400000}, None, b"{}")

    assert read.get_time() == datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


def schema() -> dict:
    return json.loads((FOLDER / "cloudevents.schema.json").read_text())

"""Conversion of any CloudEvent to an AMQP message and back, in the binary mode of CloudEvents' AMQP binding."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudevents.core.bindings import amqp
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

READ = "cloudEvents_"
WRITTEN = "cloudEvents:"


class NotACloudEvent(ValueError):
    """The headers of a message are not those of a CloudEvent."""


class Verbatim(JSONFormat):
    """Keeps bodies unchanged: the SDK's format guesses by content type, and decodes what it cannot parse as text."""

    def read_data(self, body: bytes, datacontenttype: str | None) -> bytes:
        return body


@dataclass(frozen=True)
class Carried:
    """The parts of an AMQP message."""

    headers: dict[str, Any]
    content_type: str | None
    body: bytes


def to_message(event: CloudEvent) -> Carried:
    """Returns the message that carries an event, whose data must be bytes."""
    written = amqp.to_binary(event, Verbatim())
    headers = {name.replace(READ, WRITTEN, 1): value for name, value in written.application_properties.items()}
    time = event.get_time()
    if time is not None:
        # The SDK writes whole milliseconds as a number; text keeps the full precision.
        headers[f"{WRITTEN}time"] = rfc3339(time)
    return Carried(headers, event.get_datacontenttype(), written.application_data)


def from_message(headers: Mapping[str, Any], content_type: str | None, body: bytes) -> CloudEvent:
    """Returns the event that a message carries, with its data as bytes. Raises NotACloudEvent."""
    properties = {} if content_type is None else {amqp.CONTENT_TYPE_PROPERTY: content_type}
    missing = [name for name in ("specversion", "id", "source", "type") if not has(headers, name)]
    if missing:
        # The SDK would generate an id and a version.
        raise NotACloudEvent(f"the attribute {missing[0]} is missing")
    try:
        event = amqp.from_binary(amqp.AMQPMessage(properties, dict(headers), body), Verbatim(), CloudEvent)
    except CloudEventValidationError as error:
        raise NotACloudEvent(f"the attribute {', '.join(error.errors)} is not valid in CloudEvents 1.0") from None
    except ValueError:
        raise NotACloudEvent("the attribute time is not an RFC 3339 timestamp") from None
    if not has(headers, "time"):
        # The SDK uses the present time for an event without one.
        event.get_attributes().pop("time")
    return event


def has(headers: Mapping[str, Any], attribute: str) -> bool:
    return f"{WRITTEN}{attribute}" in headers or f"{READ}{attribute}" in headers


def rfc3339(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")

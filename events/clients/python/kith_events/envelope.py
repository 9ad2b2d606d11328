"""The metadata of a Kith message: the CloudEvents attributes, and Kith's extensions."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from unicodedata import category
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from cloudevents.core.v1.event import CloudEvent

UUID_FORM = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
MAX_BYTES = 2048
MAX_SEQUENCE = 2**40
SEQUENCE_FORM = f"a whole number from 1 to {MAX_SEQUENCE}"
TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class EnvelopeError(ValueError):
    """An attribute is missing or malformed."""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """The attributes of a message. Kith is stricter than CloudEvents: a time is required. An id that is not a UUID is
    read as one that is derived from it, as in Kith's services."""

    name: str
    """The message's full name, `contacts.contact-added.v1`: the CloudEvents type."""
    source: str
    """The sender, `/contacts`."""
    id: UUID = field(default_factory=uuid4)
    """Identifies the message; a repeat of the message has the same id."""
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    subject: str | None = None
    """The thing that it is about."""
    sequence: int | None = None
    """The number among the events of its subject, from 1. The publisher assigns it in the transaction of the change."""
    traceparent: str | None = None
    """W3C trace context: the trace and span in which it was sent."""
    correlation_id: UUID | None = None
    """The first message of the chain that this one belongs to."""
    causation_id: UUID | None = None
    """The message whose handling sent this one."""
    actor: UUID | None = None
    """The account on whose behalf it was sent."""

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise EnvelopeError("the attribute time has no time zone: use datetime.now(UTC)")
        if self.sequence is not None and not 1 <= self.sequence <= MAX_SEQUENCE:
            raise EnvelopeError(f"the attribute sequence should be {SEQUENCE_FORM}")
        if self.traceparent is not None and TRACEPARENT.fullmatch(self.traceparent) is None:
            raise EnvelopeError("the attribute traceparent should be a W3C traceparent")

    def caused_by(self, cause: "Envelope") -> "Envelope":
        """Returns the same envelope in the chain of the causing message. Attributes that are set stay."""
        return replace(
            self,
            correlation_id=self.correlation_id or cause.correlation_id or cause.id,
            causation_id=self.causation_id or cause.id,
            actor=self.actor or cause.actor,
            traceparent=self.traceparent or cause.traceparent,
        )

    def to_cloud_event(self, body: bytes) -> CloudEvent:
        """Returns a CloudEvent with these attributes and JSON data."""
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(self.id),
            "type": self.name,
            "source": self.source,
            "time": self.time,
            "datacontenttype": "application/json",
        }
        for attribute, of_envelope in EXTENSIONS.items():
            value = getattr(self, of_envelope)
            if value is not None:
                attributes[attribute] = str(value)
        return CloudEvent(attributes, body)

    @classmethod
    def from_cloud_event(cls, event: CloudEvent) -> "Envelope":
        """Returns the envelope of a CloudEvent; unknown attributes are ignored. Raises EnvelopeError."""
        time = event.get_time()
        if time is None:
            raise EnvelopeError("the attribute time is missing")
        return cls(
            name=event.get_type(),
            source=event.get_source(),
            id=read_id(event, "id", f"{event.get_source()}\n"),
            time=time,
            subject=event.get_subject(),
            sequence=parsed(event, "sequence", int, SEQUENCE_FORM),
            traceparent=parsed(event, "traceparent", str, "a W3C traceparent"),
            correlation_id=read_id(event, "correlationid"),
            causation_id=read_id(event, "causationid"),
            actor=parsed(event, "actor", strict_uuid, "a UUID"),
        )


# CloudEvents allows no underscore in an attribute name.
EXTENSIONS = {
    "subject": "subject",
    "sequence": "sequence",
    "traceparent": "traceparent",
    "correlationid": "correlation_id",
    "causationid": "causation_id",
    "actor": "actor",
}


def strict_uuid(text: str) -> UUID:
    """Reads a UUID in its form with hyphens. `UUID` alone accepts other forms too."""
    if UUID_FORM.fullmatch(text) is None:
        raise ValueError
    return UUID(text)


def read_id(event: CloudEvent, attribute: str, scope: str = "") -> UUID | None:
    """Reads an id, which may be any text: one that is not a UUID is mapped to one. An id is unique within its scope."""
    value = event.get_attributes().get(attribute)
    if value is None:
        return None
    text = str(value)
    if not 0 < len(text.encode()) <= MAX_BYTES or any(category(char) == "Cc" for char in text):
        form = f"text of 1 to {MAX_BYTES} bytes without control characters"
        raise EnvelopeError(f"the attribute {attribute} cannot be read: it should be {form}")
    try:
        return strict_uuid(text)
    except ValueError:
        return uuid5(NAMESPACE_URL, scope + text)


def parsed(event: CloudEvent, attribute: str, parse: Callable[[str], Any], form: str) -> Any:
    value = event.get_attributes().get(attribute)
    if value is None:
        return None
    try:
        return parse(str(value))
    except ValueError:
        raise EnvelopeError(f"the attribute {attribute} cannot be read: it should be {form}") from None

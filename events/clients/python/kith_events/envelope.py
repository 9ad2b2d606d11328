"""The metadata of a Kith message: the CloudEvents attributes, and Kith's extensions."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from cloudevents.core.v1.event import CloudEvent

TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class EnvelopeError(ValueError):
    """An attribute is missing or malformed."""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """The attributes of a message. Kith is stricter than CloudEvents: an id is a UUID, and a time is required."""

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
        if self.sequence is not None and self.sequence < 1:
            raise EnvelopeError("the attribute sequence should be a whole number from 1")
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
            id=parsed(event, "id", UUID, "a UUID"),
            time=time,
            subject=event.get_subject(),
            sequence=parsed(event, "sequence", int, "a whole number from 1"),
            traceparent=parsed(event, "traceparent", str, "a W3C traceparent"),
            correlation_id=parsed(event, "correlationid", UUID, "a UUID"),
            causation_id=parsed(event, "causationid", UUID, "a UUID"),
            actor=parsed(event, "actor", UUID, "a UUID"),
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


def parsed(event: CloudEvent, attribute: str, parse: Callable[[str], Any], form: str) -> Any:
    value = event.get_attributes().get(attribute)
    if value is None:
        return None
    try:
        return parse(str(value))
    except ValueError:
        raise EnvelopeError(f"the attribute {attribute} cannot be read: it should be {form}") from None

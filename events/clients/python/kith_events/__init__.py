"""Publish and consume Kith's events, typed and validated. See events/clients/README.md."""

from .catalogue import InvalidData, Message, UnknownMessage, message_named, message_of
from .client import Client, NotPublished, connect
from .consumer import Refused
from .envelope import Envelope, EnvelopeError

__all__ = [
    "Client",
    "Envelope",
    "EnvelopeError",
    "InvalidData",
    "Message",
    "NotPublished",
    "Refused",
    "UnknownMessage",
    "connect",
    "message_named",
    "message_of",
]

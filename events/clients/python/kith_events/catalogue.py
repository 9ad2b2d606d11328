"""All messages: full name, type, and schema. Data is validated against the schema when sent and when received."""

import json
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module, resources
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError as SchemaViolation
from pydantic import BaseModel, ValidationError

FORMATS = FormatChecker(formats=["uuid", "date-time", "date", "email", "uri"])


@FORMATS.checks("uint32")
def is_uint32(value: object) -> bool:
    """The format of Rust's `u32` in the schemas."""
    return not isinstance(value, int) or 0 <= value <= 0xFFFF_FFFF


class UnknownMessage(LookupError):
    """There is no schema with this name or type."""


class InvalidData(ValueError):
    """Data does not match its schema. Contains the place and the expectation, never the value."""

    def __init__(self, name: str, problems: list[str]):
        super().__init__(f"{name}: {'; '.join(problems)}")
        self.name = name
        self.problems = problems


@dataclass(frozen=True)
class Message:
    """One version of a message."""

    name: str
    """The full name, `contacts.contact-added.v1`: the CloudEvents type."""
    type: type[BaseModel]
    kind: str
    """`event`, `request`, `reply` or `job`."""
    subject_field: str | None
    """The field that contains the subject."""
    schema: dict[str, Any]

    @property
    def owner(self) -> str:
        return self.name.split(".", 1)[0]

    @property
    def exchange(self) -> str:
        return f"events.{self.owner}"

    @property
    def routing_key(self) -> str:
        return self.name.split(".", 1)[1]

    def subject(self, data: BaseModel) -> str | None:
        return None if self.subject_field is None else str(getattr(data, self.subject_field))

    def write(self, data: BaseModel) -> bytes:
        """Encodes data as a body. Raises InvalidData."""
        # pydantic's warnings contain values; their causes are checked below.
        document = data.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
        self._check(document)
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    def read(self, body: bytes) -> BaseModel:
        """Decodes a body. Raises InvalidData."""
        try:
            document = json.loads(body)
        except ValueError:
            # Not chained: the parser's error contains the whole body.
            raise InvalidData(self.name, ["$: is not JSON"]) from None
        self._check(document)
        try:
            return self.type.model_validate(document)
        except ValidationError as error:
            problems = [typed_problem(found) for found in error.errors(include_input=False)]
        raise InvalidData(self.name, problems)

    def _check(self, document: Any) -> None:
        errors = sorted(self._validator.iter_errors(document), key=lambda error: error.json_path)
        if errors:
            raise InvalidData(self.name, [problem(error) for error in errors])

    @cached_property
    def _validator(self) -> Draft202012Validator:
        return Draft202012Validator(self.schema, format_checker=FORMATS)


def problem(error: SchemaViolation) -> str:
    """Describes the place and the expectation; the library's own text contains the value."""
    rule, asked = error.validator, error.validator_value
    if rule == "required":
        absent = [name for name in asked if name not in error.instance]
        return "; ".join(f"{error.json_path}.{name}: is missing" for name in absent)
    return f"{error.json_path}: should be of {rule} {json.dumps(asked)}"


def typed_problem(error: Any) -> str:
    """Describes a value that matches the schema but not the generated type."""
    return f"{'.'.join(['$', *map(str, error['loc'])])}: should be of type {error['type']}"


def message_of(data_type: type[BaseModel]) -> Message:
    """Returns the message of a type. Raises UnknownMessage."""
    for message in catalogue().values():
        if message.type is data_type:
            return message
    raise UnknownMessage(f"{data_type.__name__} is not a message: use a type of kith_events.messages")


def message_named(name: str) -> Message:
    """Returns the message with a full name, `contacts.contact-added.v1`. Raises UnknownMessage."""
    try:
        return catalogue()[name]
    except KeyError:
        raise UnknownMessage(f"there is no schema {name}: update kith_events") from None


@cache
def catalogue() -> dict[str, Message]:
    """All messages by full name."""
    messages = (message for bundle in bundles() for message in messages_in(bundle))
    return {message.name: message for message in messages}


def bundles() -> list[Any]:
    try:
        folder = resources.files(f"{__package__}.messages")
    except ModuleNotFoundError:
        raise ModuleNotFoundError("the types do not exist: run generate.py") from None
    return [file for file in folder.iterdir() if file.name.endswith(".json")]


def messages_in(bundle: Any) -> list[Message]:
    definitions = json.loads(bundle.read_text(encoding="utf-8"))["$defs"]
    types = import_module(f"{__package__}.messages.{bundle.name.removesuffix('.json')}")
    return [
        Message(
            name=schema["x-kith"]["name"],
            type=getattr(types, type_name),
            kind=schema["x-kith"]["kind"],
            subject_field=schema["x-kith"].get("subject"),
            schema={"$ref": f"#/$defs/{type_name}", "$defs": definitions},
        )
        for type_name, schema in definitions.items()
        if "x-kith" in schema
    ]

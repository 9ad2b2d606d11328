"""Makes the types of every message from the schema files: one module for each owner, in kith_events/messages/."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCHEMAS = HERE.parent.parent / "schemas"
MESSAGES = HERE / "kith_events" / "messages"
FILE_NAME = re.compile(r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)\.v(?P<version>[1-9][0-9]*)\.json")


def main() -> None:
    shutil.rmtree(MESSAGES, ignore_errors=True)
    MESSAGES.mkdir()
    (MESSAGES / "__init__.py").write_text('"""The messages of Kith. Made by generate.py."""\n')
    for owner in sorted(folder for folder in SCHEMAS.iterdir() if folder.is_dir()):
        bundle = MESSAGES / f"{owner.name}.json"
        bundle.write_text(json.dumps(bundled(owner), ensure_ascii=False, indent=1))
        make_types(bundle)


def bundled(owner: Path) -> dict:
    """Every schema of an owner under the name of its type, and what is in their `$defs` beside them."""
    definitions: dict[str, dict] = {}
    for path in sorted(owner.glob("*.json")):
        schema = json.loads(path.read_text())
        schema.pop("$id", None)
        schema["x-kith"]["name"] = f"{owner.name}.{path.stem}"
        inner = schema.pop("$defs", {})
        for name, definition in {**inner, type_name(path.name): schema}.items():
            definition = with_local_references(definition)
            if definitions.setdefault(name, definition) != definition:
                sys.exit(f"{path}: {name} is defined in two ways by {owner.name}: give one of them another name")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Messages", "$defs": definitions}


def with_local_references(value):
    """`contact-view.v1.json` becomes `#/$defs/ContactView`."""
    if isinstance(value, list):
        return [with_local_references(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: local(item) if is_reference(key, item) else with_local_references(item) for key, item in value.items()}


def is_reference(key: str, value) -> bool:
    return key == "$ref" and isinstance(value, str)


def local(reference: str) -> str:
    return reference if reference.startswith("#/$defs/") else f"#/$defs/{type_name(reference)}"


def type_name(file_name: str) -> str:
    """`contact-added.v1.json` is `ContactAdded`; from version 2 on the number is part of the name."""
    found = FILE_NAME.fullmatch(file_name)
    if found is None:
        sys.exit(f"{file_name}: call or refer to a schema as <name>.v<number>.json, or to #/$defs/<Name>")
    name = "".join(word[:1].upper() + word[1:] for word in found["name"].split("-"))
    return name if found["version"] == "1" else f"{name}V{found['version']}"


def make_types(bundle: Path) -> None:
    # The type of a number of format uint32 is int; that it is not too large is checked against the schema.
    command = [sys.executable, "-W", "ignore:format of 'uint32'", "-m", "datamodel_code_generator"]
    command += ["--input", bundle, "--input-file-type", "jsonschema"]
    command += ["--output", bundle.with_suffix(".py"), "--output-model-type", "pydantic_v2.BaseModel"]
    command += ["--target-python-version", "3.11", "--use-standard-collections", "--use-union-operator"]
    command += ["--use-schema-description", "--use-field-description", "--output-datetime-class", "AwareDatetime"]
    command += ["--use-annotated", "--disable-timestamp", "--formatters", "builtin"]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

"""Holds requests against the Calendar API's discovery document.

Standard input: a JSON list of requests, each with `method`, `path`, `query` and `body`. Standard
output: a line for each fault. The document is the one that google-api-python-client ships.
"""

import importlib.util
import json
import pathlib
import re
import sys

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
INT64 = re.compile(r"-?\d{1,19}\Z")
TYPES = {"string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict}


def document():
    package = importlib.util.find_spec("googleapiclient").submodule_search_locations[0]
    path = pathlib.Path(package, "discovery_cache", "documents", "calendar.v3.json")
    return json.loads(path.read_text())


def methods(resource):
    for method in resource.get("methods", {}).values():
        yield method["id"], method
    for inner in resource.get("resources", {}).values():
        yield from methods(inner)


def check_text(value, schema, where):
    form = schema.get("format")
    pattern = {"date-time": DATE_TIME, "date": DATE, "int64": INT64}.get(form)
    if pattern and not pattern.match(value):
        yield f"{where}: not a {form}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value} is none of {schema['enum']}"


def check_value(value, schema, where, schemas, patch):
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema.get("type", "any")
    if value is None:
        # Null clears a field, which is what a patch is for.
        if not patch:
            yield f"{where}: null"
    elif kind != "any" and (not isinstance(value, TYPES[kind]) or (kind == "integer" and value is True)):
        yield f"{where}: not of type {kind}"
    elif kind == "string":
        yield from check_text(value, schema, where)
    elif kind == "array":
        for item in value:
            yield from check_value(item, schema["items"], where, schemas, patch)
    elif kind == "object":
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            inner_schema = known.get(name, others)
            if inner_schema is None:
                yield f"{where}.{name}: unknown"
            else:
                yield from check_value(inner, inner_schema, f"{where}.{name}", schemas, patch)


def check_param(name, text, schema):
    kind = schema["type"]
    if kind == "boolean" and text not in ("true", "false"):
        yield f"{name}: not true or false"
    elif kind == "integer":
        if not INT64.match(text):
            yield f"{name}: not a number"
        elif not int(schema.get("minimum", 0)) <= int(text) <= int(schema.get("maximum", 2**32)):
            yield f"{name}: out of bounds"
    elif kind == "string":
        yield from check_text(text, schema, name)


def check(request, discovered, common, schemas):
    method = discovered.get(request["method"])
    if method is None:
        yield f"{request['method']}: no such method"
        return
    params, seen = method.get("parameters", {}), set()
    for place, pairs in (("path", request["path"]), ("query", request["query"])):
        for name, text in pairs:
            schema = params.get(name) or (common.get(name) if place == "query" else None)
            if schema is None or schema["location"] != place:
                yield f"{name}: not a parameter of the {place}"
            elif name in seen and not schema.get("repeated"):
                yield f"{name}: stands twice"
            else:
                yield from check_param(name, text, schema)
            seen.add(name)
    for name, schema in params.items():
        if schema.get("required") and name not in seen:
            yield f"{name}: missing"
    body, expected = request["body"], method.get("request")
    if expected is None:
        if body is not None:
            yield "body: none is expected"
        return
    yield from check_value(body, expected, expected["$ref"], schemas, method["httpMethod"] == "PATCH")
    for name, schema in schemas[expected["$ref"]]["properties"].items():
        if method["id"] in schema.get("annotations", {}).get("required", []) and name not in (body or {}):
            yield f"{expected['$ref']}.{name}: missing"


def main():
    found = document()
    discovered = dict(methods(found))
    for request in json.load(sys.stdin):
        for fault in check(request, discovered, found["parameters"], found["schemas"]):
            print(f"{request['method']}: {fault}")


main()

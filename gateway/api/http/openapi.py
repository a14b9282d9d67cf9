"""OpenAPI for handlers that read and write by hand: schemas come from the msgspec structs, so they cannot
drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, RequestBody, Schema

from gateway.api.dialect import Dialect, Endpoint

ERROR_STATUSES = {
    "400": "The request is not valid, or does not fit the context",
    "404": "The model is not served here",
    "413": "The body is too large",
    "429": "Too many requests are waiting; see Retry-After",
    "500": "The engine failed on this request",
    "503": "The engine is not available",
    "504": "The request took too long",
}


class InlineSchema(Schema):
    """A schema given as a finished JSON Schema document."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__()
        self._document = document

    def to_schema(self) -> dict[str, Any]:
        return self._document


def schema_of(struct: type) -> InlineSchema:
    """A struct as one self-contained JSON Schema: references are replaced by what they point to."""
    (document,), components = msgspec.json.schema_components([struct], ref_template="{name}")
    return InlineSchema(_inline(document, components))


def _inline(node: Any, components: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            return _inline(components[node["$ref"]], components)
        return {key: _inline(value, components) for key, value in node.items() if key != "discriminator"}
    return [_inline(item, components) for item in node] if isinstance(node, list) else node


def operation_of(dialect: Dialect, endpoint: Endpoint) -> type[Operation]:
    """The description of an endpoint: its body, the answers by media type, and the errors in its dialect's
    form.
    """

    @dataclass
    class EndpointOperation(Operation):
        def __post_init__(self) -> None:
            failure = _content({"application/json": dialect.error_schema})
            self.request_body = RequestBody(
                content=_content({"application/json": endpoint.request}), required=True
            )
            self.responses = {
                "200": OpenAPIResponse(description=endpoint.about_answer, content=_content(endpoint.answers)),
                **{
                    status: OpenAPIResponse(description=text, content=failure)
                    for status, text in ERROR_STATUSES.items()
                },
            }

    return EndpointOperation


def _content(types: Mapping[str, type]) -> dict[str, OpenAPIMediaType]:
    return {media_type: OpenAPIMediaType(schema=schema_of(struct)) for media_type, struct in types.items()}

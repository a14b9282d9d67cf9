"""Twenty JSON schemas of rising difficulty."""

from __future__ import annotations

from typing import Any

ADDRESS = {
    "type": "object",
    "properties": {"street": {"type": "string"}, "number": {"type": "integer", "minimum": 1}},
    "required": ["street", "number"],
    "additionalProperties": False,
}

TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer", "minimum": -9, "maximum": 9},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
            },
            "required": ["value"],
            "additionalProperties": False,
        },
    },
}

EXPRESSION = {
    "$ref": "#/$defs/expression",
    "$defs": {
        "expression": {
            "anyOf": [{"$ref": "#/$defs/number"}, {"$ref": "#/$defs/sum"}, {"$ref": "#/$defs/not"}],
        },
        "number": {"type": "number", "minimum": 0, "maximum": 100},
        "sum": {
            "type": "object",
            "properties": {
                "op": {"const": "+"},
                "left": {"$ref": "#/$defs/expression"},
                "right": {"$ref": "#/$defs/number"},
            },
            "required": ["op", "left", "right"],
            "additionalProperties": False,
        },
        "not": {
            "type": "object",
            "properties": {"op": {"const": "-"}, "of": {"$ref": "#/$defs/expression"}},
            "required": ["op", "of"],
            "additionalProperties": False,
        },
    },
}

ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "placed": {"type": "string", "format": "date-time"},
        "state": {"enum": ["new", "paid", "sent", None]},
        "customer": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 20},
                "mail": {"type": "string", "format": "email"},
                "address": ADDRESS,
            },
            "required": ["name", "address"],
            "additionalProperties": False,
        },
        "lines": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "article": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"},
                    "count": {"type": "integer", "minimum": 1, "maximum": 99},
                    "price": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01, "maximum": 1000},
                },
                "required": ["article", "count", "price"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["id", "state", "customer", "lines"],
    "additionalProperties": False,
}

SCHEMAS: dict[str, Any] = {
    "boolean": {"type": "boolean"},
    "string": {"type": "string", "minLength": 2, "maxLength": 8},
    "integer": {"type": "integer", "minimum": -5, "exclusiveMaximum": 300},
    "number": {"type": "number", "exclusiveMinimum": 0.5, "maximum": 12.25},
    "multiple": {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 50},
    "enum": {"enum": ["red", "green", 7, 0.5, None, True, ["a", 1], {"deep": [{}]}]},
    "const": {"const": {"version": 2, "tags": ["a", "b"], "none": None}},
    "flat": ADDRESS,
    "optional": {
        "type": "object",
        "properties": {"orderId": {"type": "string"}, "orderName": {"type": "string"}, "n": {"type": "null"}},
        "additionalProperties": False,
    },
    "nested": {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": ADDRESS}, "required": ["b"]}},
    },
    "array": {
        "type": "array",
        "items": {"type": ["string", "null", "integer"]},
        "minItems": 2,
        "maxItems": 4,
    },
    "tuple": {
        "type": "array",
        "prefixItems": [{"type": "boolean"}, {"enum": ["x", "y"]}],
        "items": False,
        "minItems": 1,
    },
    "pattern": {"type": "string", "pattern": "^(\\([0-9]{3}\\))?[0-9]{3}-[0-9]{4}$"},
    "map": {
        "type": "object",
        "patternProperties": {"^x-[a-z]{1,3}$": {"type": "integer"}},
        "additionalProperties": False,
        "minProperties": 1,
    },
    "union": {"anyOf": [ADDRESS, {"type": "array", "items": ADDRESS, "maxItems": 2}, {"type": "null"}]},
    "exclusive": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}},
                "required": ["kind", "r"],
            },
            {"type": "object", "properties": {"kind": {"const": "point"}}, "required": ["kind"]},
        ],
    },
    "intersection": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]},
            {
                "properties": {"a": {"maximum": 12}, "b": {"type": "string", "maxLength": 4}},
                "required": ["b"],
            },
        ],
    },
    "tree": TREE,
    "expression": EXPRESSION,
    "order": ORDER,
}

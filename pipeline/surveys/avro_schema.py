"""An Avro schema from outside, made harmless: what is read of it, and how much a block may hold.

The decoder (fastavro) reads whatever a schema says. Here a schema is rebuilt from its types alone,
every name resolved: one that refers to itself, is nested too deeply, unfolds without end or has lists
of nothing is refused, so no data can make the decoder recurse or loop. Of the data only the fields
that a survey's table asks for become Python values; the rest is skipped where it lies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import fastavro

from pipeline.surveys.refusal import PacketError
from pipeline.surveys.survey import Survey
from pipeline.surveys.tables import SURVEYS

MOST_DEPTH = 24
MOST_NODES = 20_000  # types of a schema, every reference unfolded; Rubin's has some 900
MOST_BLOCK = 16 * 2**20  # bytes, inflated
MOST_ITEMS = 2**19  # that the lists of one block may yield
SIZES = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}

Node = Any  # a rebuilt type: a primitive's name, a list for a union, a dict for the others
Wanted = Mapping[str, set[str] | None]


@dataclass(frozen=True, slots=True)
class ReadingPlan:
    """How the records of one schema are read.

    Attributes
    ----------
    survey : Survey
        Whose packets they are.
    writer, reader : dict
        Parsed schemas: all that is there, and what is wanted of it.
    most_block : int
        Bytes that a block of records may have.
    """

    survey: Survey
    writer: Any
    reader: Any
    most_block: int


@lru_cache(maxsize=32)
def plan(schema: bytes) -> ReadingPlan:
    """Read a schema.

    Raises
    ------
    PacketError
        It is no schema, one that does harm, or one of no survey that is known.
    """
    try:
        declared = json.loads(schema)
    except (ValueError, RecursionError):
        raise PacketError("its schema cannot be read", damaged=True) from None
    tree = _Builder().build(declared, "", 0)
    if not isinstance(tree, dict) or tree["type"] != "record":
        raise PacketError("its schema describes no record")
    if _least(tree) == 0:
        raise PacketError("its schema describes records of nothing")
    survey = recognised(lambda path: has(tree, path.split(".")))
    if survey is None:
        name = declared.get("name") if isinstance(declared, dict) else None
        known = ", ".join(each.name for each in SURVEYS)
        raise PacketError(f"its schema, {str(name)[:60]!r}, is of no survey that is known here ({known})")
    wanted = pruned(tree, survey.wanted())
    least = min((_least(items) for items in _lists(wanted)), default=MOST_BLOCK)
    try:
        writer, reader = fastavro.parse_schema(tree), fastavro.parse_schema(wanted)
    except (ValueError, KeyError, TypeError, fastavro.schema.SchemaParseException) as error:
        raise PacketError(f"its schema cannot be read: {error}", damaged=True) from None
    return ReadingPlan(survey, writer, reader, min(MOST_BLOCK, MOST_ITEMS * least))


def recognised(present: Any) -> Survey | None:
    """The survey all of whose marks are there; `present` tells it of a path ``record.field``."""
    return next((each for each in SURVEYS if all(present(path) for path in each.known_by)), None)


def has(node: Node, path: list[str]) -> bool:
    """Whether a type has a field, at whatever depth the path says."""
    if not path:
        return True
    if isinstance(node, list):
        return any(has(branch, path) for branch in node)
    if not isinstance(node, dict):
        return False
    if node["type"] == "array":
        return has(node["items"], path)
    fields = node.get("fields", ())
    return any(has(field["type"], path[1:]) for field in fields if field["name"] == path[0])


def pruned(tree: Node, wanted: Wanted) -> Node:
    """A record with the wanted fields alone; those of another shape than is wanted are left out."""
    fields = []
    for field in tree["fields"]:
        if field["name"] in wanted:
            kept = _kept(field["type"], wanted[field["name"]])
            if kept is not None:
                fields.append({"name": field["name"], "type": kept})
    return {"type": "record", "name": tree["name"], "fields": fields}


def _kept(node: Node, inner: set[str] | None) -> Node | None:
    """What is kept of a field: a plain value, or a record or list of records with some inner fields."""
    if isinstance(node, str):
        return node
    if isinstance(node, list):
        branches = [_kept(branch, inner) for branch in node]
        return None if None in branches else branches
    if node["type"] == "fixed":
        return node
    if inner is None or node["type"] == "map":
        return None
    if node["type"] == "array":
        items = _kept(node["items"], inner)
        return None if items is None else {"type": "array", "items": items}
    return pruned(node, dict.fromkeys(inner))


class _Builder:
    """Rebuilds a schema from its types, counting as it goes."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[dict[str, Any], str]] = {}
        self._open: list[str] = []  # whose definitions it stands in
        self._count = 0

    def build(self, node: Any, space: str, depth: int) -> Node:
        self._count += 1
        if depth > MOST_DEPTH:
            raise PacketError(f"its schema is nested more than {MOST_DEPTH} deep")
        if self._count > MOST_NODES:
            raise PacketError(f"its schema unfolds to more than {MOST_NODES} types")
        if isinstance(node, str):
            return node if node in SIZES else self._referred(node, space, depth)
        if isinstance(node, list):
            return [self.build(branch, space, depth + 1) for branch in node]
        if isinstance(node, dict):
            return self._complex(node, space, depth)
        raise PacketError("its schema cannot be read: a type is neither name nor definition", damaged=True)

    def _complex(self, node: dict[str, Any], space: str, depth: int) -> Node:
        kind = node.get("type")
        if kind in ("record", "error"):
            return self._record(node, space, depth)
        if kind == "enum":
            self._define(node, space)
            return "int"  # which is how the place of its word is written
        if kind == "fixed":
            self._define(node, space)
            size = node.get("size")
            if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MOST_BLOCK:
                raise PacketError("its schema has a value of impossible size")
            return {"type": "fixed", "name": f"n{self._count}", "size": size}
        if kind == "array":
            items = self.build(node.get("items"), space, depth + 1)
            if _least(items) == 0:
                raise PacketError("its schema has a list of nothing")
            return {"type": "array", "items": items}
        if kind == "map":
            return {"type": "map", "values": self.build(node.get("values"), space, depth + 1)}
        return self.build(kind, space, depth + 1)  # wrapped once more, often with a logical type

    def _record(self, node: dict[str, Any], space: str, depth: int) -> Node:
        name, space = self._define(node, space)
        self._open.append(name)
        number = self._count
        declared = node.get("fields")
        if not isinstance(declared, list) or not all(isinstance(field, dict) for field in declared):
            raise PacketError("its schema cannot be read: a record has no fields", damaged=True)
        fields: list[dict[str, Any]] = []
        names: set[str] = set()
        for place, field in enumerate(declared):
            given = str(field.get("name"))
            # A name that is there twice, as WINTER's sgmag1, counts once; none is more than a label here.
            usable = given.isidentifier() and given.isascii() and given not in names
            names.add(given)
            kind = self.build(field.get("type"), space, depth + 1)
            fields.append({"name": given if usable else f"_{place}", "type": kind})
        self._open.pop()
        return {"type": "record", "name": f"n{number}", "fields": fields}

    def _define(self, node: dict[str, Any], space: str) -> tuple[str, str]:
        """Remember a definition; its full name and namespace."""
        name, given = str(node.get("name", "")), node.get("namespace")
        if "." in name:
            space = name.rpartition(".")[0]
        elif isinstance(given, str):
            space = given
        full = name if "." in name or not space else f"{space}.{name}"
        self._named.setdefault(full, (node, space))
        return full, space

    def _referred(self, name: str, space: str, depth: int) -> Node:
        full = name if "." in name or not space else f"{space}.{name}"
        for candidate in (full, name):
            if candidate in self._open:
                raise PacketError("its schema refers to itself")
            if candidate in self._named:
                node, home = self._named[candidate]
                return self.build(node, home, depth + 1)
        raise PacketError("its schema cannot be read: it names a type that it does not define", damaged=True)


def _least(node: Node) -> int:
    """The fewest bytes that a value of a type takes."""
    if isinstance(node, str):
        return SIZES[node]
    if isinstance(node, list):
        return 1 + min((_least(branch) for branch in node), default=0)
    if node["type"] == "record":
        return sum(_least(field["type"]) for field in node["fields"])
    return int(node["size"]) if node["type"] == "fixed" else 1


def _lists(node: Node) -> Iterator[Node]:
    """The item types of all lists within a type."""
    if isinstance(node, list):
        for branch in node:
            yield from _lists(branch)
    elif isinstance(node, dict):
        if node["type"] == "array":
            yield node["items"]
            yield from _lists(node["items"])
        for field in node.get("fields", ()):
            yield from _lists(field["type"])

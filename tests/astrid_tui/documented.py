"""`docs/json.md` as data: which fields it names for each command."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "docs" / "json.md"
_ITEM = re.compile(r"^- (?P<item>.*(?:\n  .*)*)", re.MULTILINE)
_PATHS = re.compile(r"((?:`[^`]*`(?:,\s+)?)+|``):")
_LINK = re.compile(r"\]\(#([\w-]+)\)")


@cache
def commands() -> dict[str, dict[str, bool]]:
    """The paths that are told of each command, and whether each is always there."""
    sections = {}
    for part in re.split(r"^#+ ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        sections[title.strip()] = text
    by_anchor = {title.lower().replace(" ", "-"): title for title in sections}

    def paths(title: str) -> dict[str, bool]:
        found = {}
        intro = _LINK.search(sections[title].partition("\n- ")[0])
        if intro:
            found |= paths(by_anchor[intro[1]])
        for match in _ITEM.finditer(sections[title]):
            item = match["item"]
            told = _PATHS.match(item)
            assert told, item
            names = re.findall(r"`([^`]*)`", told[1]) if told[1] != "``" else [""]
            is_sure = "may be absent" not in item
            found |= dict.fromkeys(names, is_sure)
            link = _LINK.search(item, told.end())
            if link:
                inner = paths(by_anchor[link[1]])
                found |= {
                    f"{name}.{path}".lstrip("."): sure and is_sure
                    for name in names
                    for path, sure in inner.items()
                }
        found.pop("", None)
        return found

    return {title.strip("`"): paths(title) for title in sections if title.startswith("`astrid ")}


def printed(value: Any, path: str = "") -> dict[str, set[str]]:
    """The paths of a document, and the names in each that is an object."""
    found: dict[str, set[str]] = {path: set()}
    parts: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        names = {name: name.replace(".", "_") for name in value}  # a dot in a name is no step of a path
        found[path].update(names.values())
        parts = [(f"{path}.{names[name]}".lstrip("."), each) for name, each in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[]", each) for each in value]
    for inner, each in parts:
        for key, names_there in printed(each, inner).items():
            found.setdefault(key, set()).update(names_there)
    return found


def broken(words: Sequence[object], document: Any) -> tuple[list[str], list[str]]:
    """What a command printed and the document does not name, and what it names and was not printed.

    Nothing is found of a command that is not in the document, and of a failure.
    """
    called = " ".join(["astrid", *map(str, words)]) + " "
    names = [each for each in commands() if called.startswith(f"{each} ")]
    if not names or (isinstance(document, dict) and document.keys() == {"error", "exit_code"}):
        return [], []
    told, paths = commands()[max(names, key=len)], printed(document)
    return untold(paths, told), unprinted(paths, told)


def untold(paths: dict[str, set[str]], told: dict[str, bool]) -> list[str]:
    """What is printed and not named."""
    inside = {re.escape("{}"): r"[^.\[\]]+", re.escape("..."): r"([.\[].*)?"}
    patterns = []
    for each in ("", *told):
        pattern = re.escape(each)
        for sign, meant in inside.items():
            pattern = pattern.replace(sign, meant)
        patterns.append(re.compile(pattern + r"(\[\])*"))
    return [path for path in paths if not any(each.fullmatch(path) for each in patterns)]


def unprinted(paths: dict[str, set[str]], told: dict[str, bool]) -> list[str]:
    """What is named as always there and not printed, though the object that should have it is."""
    sure = [path for path, is_sure in told.items() if is_sure and not path.endswith("...")]
    parts = [(path, *path.rpartition(".")[::2]) for path in sure]
    return [path for path, inside, name in parts if name.strip("[]{}") and paths.get(inside)
            and name.strip("[]") not in paths[inside]]  # fmt: skip

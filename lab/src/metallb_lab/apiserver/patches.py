"""Patches: JSON merge patch (RFC 7396), JSON patch (RFC 6902), and which of them a request holds.

All functions return a new document and leave their arguments alone. What a patch does to an
object's meaning (types, immutable fields, status) is decided after it, as for any update.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonpatch
import jsonpointer

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.documents import Document, copied, decode
from metallb_lab.apiserver.strategic import strategic_merge

if TYPE_CHECKING:
    from metallb_lab.apiserver.openapi_types import Shape

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCHES = ("application/apply-patch+yaml", "application/apply-patch+cbor")
MAX_OPERATIONS = 10000
OPERATIONS = {"add", "remove", "replace", "move", "copy", "test"}


def apply_patch(kind: str, body: bytes, current: Document, shape: Shape | None) -> Document:
    """The patched document; ``shape`` is needed for a strategic patch alone."""
    try:
        patch = decode(body)
    except ValueError as error:
        raise errors.bad_request(f"error decoding patch: {error}") from None
    if kind == JSON_PATCH:
        return json_patch(current, patch)
    if type(patch) is not dict:
        what = "array" if isinstance(patch, list) else type(patch).__name__
        raise errors.bad_request(
            f"error decoding patch: json: cannot unmarshal {what} into Go value of type "
            "map[string]interface {}"
        )
    if kind == MERGE_PATCH:
        return dict(merge_patch(copied(current), patch))
    assert shape is not None
    merged = strategic_merge(copied(current), patch, shape)
    for name in ("apiVersion", "kind"):  # a strategic patch is of the path's type, whatever it says
        if type(merged.get(name, "")) is str:
            merged[name] = current[name]
    return merged


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, and nulls inside new lists go too; changes ``target``, the caller's own."""
    if type(patch) is not dict:
        return patch if type(target) is dict else without_nulls(patch)
    out = target if type(target) is dict else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge_patch(out.get(name), value)
    return out


def without_nulls(value: Any) -> Any:
    """A new value as the real server's library stores it: members of objects in lists, too."""
    if type(value) is dict:
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(item) for item in value] if type(value) is list else value


def json_patch(current: Document, patch: Any) -> Document:
    """RFC 6902; a failed test or a path that is not there is 422, as in the real server."""
    if type(patch) is not list or not all(type(entry) is dict for entry in patch):
        raise errors.bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type "
            "[]handlers.jsonPatchOp"
        )
    if len(patch) > MAX_OPERATIONS:
        raise errors.ApiError(
            413,
            "RequestEntityTooLarge",
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(patch)}",
        )
    if not all(map(well_formed, patch)):
        raise unprocessable()
    try:
        patched = copied(current)
        for entry in patch:
            if (operation := lenient(patched, entry)) is not None:
                patched = jsonpatch.apply_patch(patched, [operation], in_place=True)
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        KeyError,
    ) as error:
        raise unprocessable() from error
    if type(patched) is not dict:
        raise unprocessable()
    return dict(patched)


def well_formed(entry: Document) -> bool:
    """Known operations on paths; the root may be replaced and tested, nothing else."""
    op, places = entry.get("op"), (entry.get("path"), entry.get("from", "/"))
    if any(type(word) is not str for word in (op, *places)) or op not in OPERATIONS:
        return False
    return op in ("replace", "test") or "" not in places


def lenient(document: Any, entry: Document) -> Document | None:
    """Two liberties of the real server's library with members that are not there.

    ``replace`` adds them, and a ``test`` for null finds them equal (there is nothing to do).
    """
    op = entry["op"]
    if op not in ("replace", "test"):
        return entry
    parent, last = jsonpointer.JsonPointer(entry["path"]).to_last(document)
    if type(parent) is not dict or last is None or last in parent:
        return entry
    if op == "replace":
        return entry | {"op": "add"}
    return None if entry.get("value", entry) is None else entry


def unprocessable() -> errors.ApiError:
    """What the real server makes of a patch that cannot be applied."""
    message = "the server rejected our request due to an error in our request"
    return errors.ApiError(422, "Invalid", message, {})

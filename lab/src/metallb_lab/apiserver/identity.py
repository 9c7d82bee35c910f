"""Who an object is: its name, uid and type against what the path says.

A body may leave these out; it may not contradict the path. What a patch made of ``apiVersion`` and
``kind`` is answered as the real server's decoders answer it, which differs by kind of kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_lab.apiserver import errors
from metallb_lab.apiserver.decoding import json_type
from metallb_lab.apiserver.store import Key

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.requests import Call


def check_name(new: Document, name: str) -> None:
    """The body and the path name the same object."""
    given = new["metadata"].get("name", "")
    if given and given != name:
        raise errors.bad_request(
            f"the name of the object ({given}) does not match the name on the URL ({name})"
        )
    if not given:
        raise undeterminable(name)


def check_patched_type(call: Call, new: Document, shown: str) -> None:
    """A patch may not turn an object into another kind; ``shown`` is the object for the message."""
    resource, name = call.resource, call.target.name
    own = {"apiVersion": str(resource.gv), "kind": resource.kind}
    for field, wanted in own.items():
        value = new.get(field, "")
        if type(value) is not str:
            why = f"json: cannot unmarshal {json_type(value)} into Go struct field .{field}"
            raise patch_fault(shown, f"{why} of type string")
        if value in ("", wanted) or (resource.custom and field == "kind"):
            continue
        if resource.custom:
            fault = errors.invalid("apiVersion", value, f"must be {wanted}")
            raise errors.invalid_object(resource.kind, "", name, [fault])
        raise patch_fault(shown, f'no kind "{new.get("kind", "")}" is registered for version "'
                                 f'{new.get("apiVersion", "")}"')  # fmt: skip
    if resource.custom and not new.get("kind"):
        raise patch_fault(shown, "Object 'Kind' is missing")
    if not new.get("apiVersion"):
        raise undeterminable(name)


def undeterminable(name: str) -> errors.ApiError:
    """400 for an object that does not say its name."""
    return errors.bad_request(
        f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
    )


def patch_fault(shown: str, why: str) -> errors.ApiError:
    """422 for a patch whose result is no object of this kind."""
    return errors.invalid_object("", "", "", [errors.invalid("patch", shown, why)])


def uid_conflict(call: Call, uid: str, current: Document) -> str:
    """The storage's own words for a uid that is another object's."""
    target = call.target
    key = f"/registry/{target.resource.plural}/{Key(target.namespace, target.name).path()}"
    return (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object "
        f"meta: {current['metadata']['uid']}"
    )

"""Strategic merge patch: the list-aware merge that ``kubectl apply``, ``edit`` and ``patch`` use.

A port of apimachinery's ``strategicpatch`` for applying one patch to one object. Which lists merge
and by which key comes from the published types (``x-kubernetes-patch-strategy`` and
``-merge-key``). Directives: ``$patch: replace | delete``, ``$retainKeys``,
``$deleteFromPrimitiveList/x``, ``$setElementOrder/x``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab.apiserver import errors

if TYPE_CHECKING:
    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.openapi_types import Shape

MARKER = "$patch"
RETAIN = "$retainKeys"
DELETE_PREFIX = "$deleteFromPrimitiveList/"
ORDER_PREFIX = "$setElementOrder/"


def strategic_merge(original: Document, patch: Document, shape: Shape) -> Document:
    """The patched object; both arguments are used up."""
    return merge_map(original, patch, shape)


def merge_map(original: Document, patch: Document, shape: Shape | None) -> Document:
    """One object into another."""
    if MARKER in patch:
        return apply_directive(patch)
    retain_keys(original, patch)
    ordered_lists(original, patch, shape)
    for name, value in patch.items():
        deletes = name.startswith(DELETE_PREFIX)
        key = name.removeprefix(DELETE_PREFIX)
        if value is None:
            original.pop(key, None)
        elif key not in original or type(original[key]) is not type(value):
            if not deletes:
                place(original, key, without_nulls(value))
        elif type(value) is dict:
            original[key] = merge_field(original[key], value, child(shape, key))
        elif type(value) is list:
            original[key] = merge_list_field(original[key], value, child(shape, key), deletes)
        else:
            original[key] = value
    return original


def child(shape: Shape | None, name: str) -> Shape | None:
    """The type of a field, where it is known."""
    if shape is None:
        return None
    return shape.items if shape.type == "map" else shape.properties.get(name)


def apply_directive(patch: Document) -> Document:
    """``$patch`` on an object."""
    directive = patch.pop(MARKER)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    raise failed(f"Unknown patch type: {directive} in map: {patch}")


def merge_field(original: Document, patch: Document, shape: Shape | None) -> Document:
    """A field that is an object."""
    if shape is not None and "replace" in shape.patch_strategy:
        return patch
    return merge_map(original, patch, shape)


def merge_list_field(
    original: list[Any], patch: list[Any], shape: Shape | None, deletes: bool
) -> list[Any]:
    """A field that is a list: merged by key, or replaced."""
    merges = shape is not None and "merge" in shape.patch_strategy
    if not merges and not deletes:
        return patch
    return merge_list(original, patch, shape, deletes)


def retain_keys(original: Document, patch: Document) -> None:
    """``$retainKeys``: drops what the patch does not name."""
    if RETAIN not in patch:
        return
    kept = patch.pop(RETAIN)
    named = [
        name
        for name, value in patch.items()
        if value is not None and not name.startswith((DELETE_PREFIX, ORDER_PREFIX))
    ]
    if type(kept) is not list or not set(named) <= set(kept):
        raise errors.bad_request("invalid patch format of retainKeys")
    for name in [n for n in original if n not in kept]:
        del original[name]


# ---------------------------------------------------------------- lists


def merge_list(
    original: list[Any], patch: list[Any], shape: Shape | None, deletes: bool = False
) -> list[Any]:
    """Scalars become a set; objects merge by their key; the patch's order wins."""
    if not original and not patch:
        return original
    before = list(original)
    if element_type(original, patch) is not dict:
        if deletes:
            return [item for item in original if item not in patch]
        merged = unique([*original, *patch])
        return in_order(merged, patch, before, "")
    key = shape.merge_key if shape is not None else ""
    if not key:
        raise failed("cannot merge lists without merge key")
    kept, added = special_elements(original, patch, key)
    merged = merge_objects(kept, added, key, shape)
    return in_order(merged, added, before, key)


def element_type(*lists: list[Any]) -> type:
    """The one type that all elements have; a merge of mixed lists is refused."""
    types = {type(item) for items in lists for item in items}
    if list in types:
        raise failed("lists of lists are not supported")
    if len(types) != 1:
        raise failed(f"list element types are not identical: {list(lists)}")
    return types.pop()


def special_elements(
    original: list[Any], patch: list[Any], key: str
) -> tuple[list[Any], list[Any]]:
    """``$patch`` on elements."""
    plain = []
    replace = False
    for item in patch:
        directive = item.get(MARKER)
        if directive is None:
            plain.append(item)
        elif directive == "replace":
            replace = True
        elif directive == "delete":
            if key not in item:
                raise failed(f"map: {item} does not contain declared merge key: {key}")
            original = [known for known in original if known.get(key) != item[key]]
        else:
            raise failed(f"Unknown patch type: {directive} in map: {item}")
    return (plain, []) if replace else (original, plain)


def merge_objects(
    original: list[Any], patch: list[Any], key: str, shape: Shape | None
) -> list[Any]:
    """Each element into the one with its key, or behind the last."""
    out = list(original)
    element = shape.items if shape is not None else None
    for item in patch:
        if key not in item:
            raise failed(f"map: {item} does not contain declared merge key: {key}")
        at = next((n for n, known in enumerate(out) if known.get(key) == item[key]), None)
        if at is None:
            out.append(without_nulls(item))
        else:
            out[at] = merge_map(out[at], item, element)
    return out


# ---------------------------------------------------------------- order


def ordered_lists(original: Document, patch: Document, shape: Shape | None) -> None:
    """``$setElementOrder/x``: merges the list x and puts it into that order."""
    for name in [n for n in patch if n.startswith(ORDER_PREFIX)]:
        order = patch.pop(name)
        key = name.removeprefix(ORDER_PREFIX)
        inner = child(shape, key)
        before = original.get(key)
        added = patch.pop(key, None)
        check_order(order, before, added, inner)
        if before is None and added is None:
            continue
        if before is None:
            merged = without_nulls(added)
        elif added is None:
            merged = before
        else:
            merged = merge_list_field(list(before), added, inner, deletes=False)
        element_type(before or [], added or [])
        merge_key = inner.merge_key if inner is not None else ""
        original[key] = in_order(merged, order, before or [], merge_key)


def check_order(order: Any, before: Any, added: Any, shape: Shape | None) -> None:
    """The directive orders a list, and names what the patch adds in the same order."""
    for value in (order, before, added):
        if value is not None and type(value) is not list:
            raise failed(f"expected a []interface {{}}, but received a {type(value).__name__}")
    if not order or not added:
        return
    key = shape.merge_key if shape is not None else ""
    named = iter(order)
    for item in added:
        if type(item) is dict and MARKER in item:
            continue
        if not any(same_element(item, wanted, key) for wanted in named):
            raise failed(
                f"The order in patch list {added} doesn't match {ORDER_PREFIX} list {order}"
            )


def same_element(one: Any, other: Any, key: str) -> bool:
    """Whether two elements are the same by their merge key, or by value."""
    if key and type(one) is dict and type(other) is dict:
        return bool(one.get(key) == other.get(key))
    return bool(one == other)


def in_order(merged: list[Any], order: list[Any], before: list[Any], key: str) -> list[Any]:
    """Elements of the patch in the patch's order, the others where they stood among them."""

    def identity(item: Any) -> Any:
        return item.get(key) if type(item) is dict else item

    wanted = unique([identity(item) for item in order])
    stood = unique([identity(item) for item in before])
    ours = sorted(
        (m for m in merged if identity(m) in wanted), key=lambda m: wanted.index(identity(m))
    )
    others = [m for m in merged if identity(m) not in wanted]
    out: list[Any] = []
    while ours and others:
        left, right = identity(others[0]), identity(ours[0])
        precedes = left in stood and right in stood and stood.index(left) < stood.index(right)
        out.append(others.pop(0) if precedes else ours.pop(0))
    return [*out, *others, *ours]


def unique(items: list[Any]) -> list[Any]:
    """Without repetitions."""
    out: list[Any] = []
    for item in items:
        if item not in out:
            out.append(item)
    return out


# ---------------------------------------------------------------- values


def place(original: Document, key: str, value: Any) -> None:
    """Sets a field that was not there, unless the value is nothing but a directive."""
    if type(value) is dict and MARKER in value:
        original.pop(key, None)
    else:
        original[key] = value


def without_nulls(value: Any) -> Any:
    """A new value as it is stored: no nulls, no directives."""
    if type(value) is dict:
        return {
            name: without_nulls(inner)
            for name, inner in value.items()
            if inner is not None and not (type(inner) is dict and MARKER in inner)
        }
    if type(value) is list:
        return [
            without_nulls(item) for item in value if not (type(item) is dict and MARKER in item)
        ]
    return value


def failed(message: str) -> errors.ApiError:
    """A patch that cannot be merged; the real server answers 500 without a reason."""
    return errors.ApiError(500, "", message)

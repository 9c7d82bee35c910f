"""Structural schemas at work: pruning, defaults, validation, list types."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from contract.api import eventually
from contract.crds import (
    DEFINITIONS,
    NUMBER,
    TEXT,
    accepted,
    an_object,
    causes,
    definition,
    widget,
    with_crd,
)

if TYPE_CHECKING:
    from contract.api import Api, Document

FREE = {"x-kubernetes-preserve-unknown-fields": True}

# ---------------------------------------------------------------- pruning, defaults


@with_crd(
    an_object(
        a=TEXT,
        free={
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"known": an_object(x=TEXT)},
        },
        map={"type": "object", "additionalProperties": an_object(x=TEXT)},
        list={"type": "array", "items": an_object(x=TEXT)},
    )
)
async def test_pruning(api: Api, path: str) -> None:
    body = {
        "a": "1",
        "gone": 1,
        "free": {"other": {"deep": 1}, "known": {"x": "1", "y": 2}},
        "map": {"k": {"x": "1", "y": 2}},
        "list": [{"x": "1", "y": 2}],
    }
    answer = await api.post(path, {**widget(api, "w", body), "top": 1})
    assert answer.ok(201)["spec"] == {
        "a": "1",
        "free": {"other": {"deep": 1}, "known": {"x": "1"}},
        "map": {"k": {"x": "1"}},
        "list": [{"x": "1"}],
    }
    assert "top" not in answer.body
    assert sorted(answer.warnings) == [
        f'299 - "unknown field \\"{name}\\""'
        for name in ("spec.free.known.y", "spec.gone", "spec.list[0].y", "spec.map.k.y", "top")
    ]
    strict = await api.post(path, widget(api, "s", {"gone": 1}), fieldValidation="Strict")
    assert 'unknown field "spec.gone"' in strict.failed(400, "BadRequest")["message"]
    patched = await api.patch(f"{path}/w", {"spec": {"gone": 2}})
    assert "gone" not in patched.ok()["spec"]


@with_crd(
    an_object(
        a={**TEXT, "default": "one"},
        inner={**an_object(n={**NUMBER, "default": 3}), "default": {}},
        plain=an_object(n={**NUMBER, "default": 4}),
        list={"type": "array", "items": an_object(p={**NUMBER, "default": 80})},
        null={**TEXT, "nullable": True, "default": "x"},
        strict={**TEXT, "default": "y"},
        none=TEXT,
    )
)
async def test_defaults(api: Api, path: str) -> None:
    shown = await accepted(api, path, "w", {"list": [{}, {"p": 1}]})
    assert shown == {
        "a": "one", "inner": {"n": 3}, "list": [{"p": 80}, {"p": 1}], "null": "x", "strict": "y",
    }  # fmt: skip
    shown = await accepted(
        api, path, "v", {"plain": {}, "null": None, "strict": None, "none": None}
    )
    assert shown["plain"] == {"n": 4}
    assert shown["null"] is None
    assert shown["strict"] == "y"
    assert "none" not in shown


@with_crd(
    an_object(
        template={
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        }
    )
)
async def test_embedded_resources(api: Api, path: str) -> None:
    inner = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"x": 1}}
    assert await accepted(api, path, "w", {"template": inner}) == {"template": inner}


# ---------------------------------------------------------------- validation

CASES: list[tuple[Document, Any, Any, str, str]] = [
    (TEXT, "x", 1, "FieldValueTypeInvalid", ""),
    (NUMBER, 1, "x", "FieldValueTypeInvalid", ""),
    (NUMBER, 1, 1.5, "FieldValueTypeInvalid", ""),
    ({"type": "number"}, 1, "x", "FieldValueTypeInvalid", ""),
    ({"type": "boolean"}, True, "true", "FieldValueTypeInvalid", ""),
    ({"type": "object"}, {}, [], "FieldValueTypeInvalid", ""),
    ({"type": "array", "items": TEXT}, ["a"], {}, "FieldValueTypeInvalid", ""),
    ({"type": "array", "items": TEXT}, ["a"], ["a", 1], "FieldValueTypeInvalid", "[1]"),
    ({**TEXT, "enum": ["a", "b"]}, "a", "c", "FieldValueNotSupported", ""),
    ({**NUMBER, "enum": [1, 2]}, 1, 3, "FieldValueNotSupported", ""),
    ({**NUMBER, "enum": [1, 2]}, 2, "x", "FieldValueNotSupported", ""),
    (
        {**TEXT, "nullable": True, "enum": ["a", "b"]},
        "a", None, "FieldValueNotSupported", "",
    ),
    (
        {
            "type": "array",
            "items": {**an_object(k=TEXT), "required": ["k"]},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
        },
        [{"k": "a"}], [1], "FieldValueInvalid", "[0]",
    ),
    ({**TEXT, "pattern": "^[a-z]+$"}, "abc", "ABC", "FieldValueInvalid", ""),
    ({**TEXT, "pattern": "b"}, "abc", "xyz", "FieldValueInvalid", ""),
    ({**TEXT, "minLength": 2}, "ab", "é", "FieldValueInvalid", ""),
    ({**TEXT, "maxLength": 2}, "éé", "abc", "FieldValueTooLong", ""),
    ({**NUMBER, "minimum": 1}, 1, 0, "FieldValueInvalid", ""),
    ({**NUMBER, "maximum": 5}, 5, 6, "FieldValueInvalid", ""),
    ({**NUMBER, "minimum": 1, "exclusiveMinimum": True}, 2, 1, "FieldValueInvalid", ""),
    ({**NUMBER, "maximum": 5, "exclusiveMaximum": True}, 4, 5, "FieldValueInvalid", ""),
    ({**NUMBER, "multipleOf": 3}, 9, 10, "FieldValueInvalid", ""),
    ({"type": "array", "items": TEXT, "minItems": 1}, ["a"], [], "FieldValueInvalid", ""),
    ({"type": "array", "items": TEXT, "maxItems": 1}, ["a"], ["a", "b"], "FieldValueTooMany", ""),
    (
        {"type": "object", "additionalProperties": TEXT, "minProperties": 1},
        {"a": "b"}, {}, "FieldValueInvalid", "",
    ),
    (
        {"type": "object", "additionalProperties": TEXT, "maxProperties": 1},
        {"a": "b"}, {"a": "b", "c": "d"}, "FieldValueTooMany", "",
    ),
    (
        {"type": "object", "additionalProperties": NUMBER}, {"a": 1}, {"a": "x"},
        "FieldValueTypeInvalid", ".a",
    ),
    ({**an_object(a=TEXT), "required": ["a"]}, {"a": ""}, {}, "FieldValueRequired", ".a"),
    ({"x-kubernetes-int-or-string": True}, 5, True, "FieldValueTypeInvalid", ""),
    ({"x-kubernetes-int-or-string": True}, "5", 1.5, "FieldValueTypeInvalid", ""),
    (
        {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
        ["a", "b"], ["a", "b", "a"], "FieldValueDuplicate", "[2]",
    ),
    (
        {
            "type": "array",
            "items": {**an_object(k=TEXT, v=NUMBER), "required": ["k"]},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
        },
        [{"k": "a"}, {"k": "b"}], [{"k": "a"}, {"k": "a", "v": 1}], "FieldValueDuplicate", "[1]",
    ),
]  # fmt: skip

FORMATS: list[tuple[str, list[str], list[str]]] = [
    ("ipv4", ["1.2.3.4", "01.2.3.4"], ["1.2.3", "::1"]),
    ("ipv6", ["::1", "2001:db8::1"], ["1.2.3.4", "::g"]),
    ("cidr", ["10.0.0.0/8", "10.1.2.3/8", "fd00::/64"], ["10.0.0.0", "10.0.0.0/33"]),
    ("date-time", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+02:00"], ["2026-01-01", "x"]),
    ("date", ["2026-01-01"], ["2026-13-01", "x"]),
    ("duration", ["1h30m", "50ms", "2 days"], ["1x", "abc"]),
    ("hostname", ["a.example", "a-b"], ["-a", "a_b", ""]),
    ("mac", ["00:11:22:33:44:55", "00-11-22-33-44-55"], ["00:11:22", "x"]),
    ("uuid", ["6a5d9379-f31e-4306-9c58-d4bd698ed643"], ["x", "6a5d9379"]),
    ("byte", ["aGk="], ["a", ""]),
    ("uri", ["https://a.example/x", "/x"], ["::"]),
    ("email", ["a@b.example"], ["a"]),
    ("unheard-of", ["anything"], []),
]


@with_crd(an_object(**{f"f{n}": c[0] for n, c in enumerate(CASES)}))
async def test_keywords(api: Api, path: str) -> None:
    """One CRD holds all cases, each at a field of its own: making a CRD takes seconds."""
    wrong = []
    for index, (schema, good, bad, cause, below) in enumerate(CASES):
        field = f"f{index}"
        assert await accepted(api, path, f"good-{index}", {field: good}) == {field: good}
        found = await causes(api, path, {field: bad})
        if (cause, f"spec.{field}{below}") not in found:
            wrong.append((schema, bad, found))
    assert wrong == []
    assert len(CASES) >= 29


@with_crd(an_object(a={**TEXT, "minLength": 2, "pattern": "^b", "maxLength": 3}))
async def test_the_first_fault_of_a_string_counts(api: Api, path: str) -> None:
    for wrong, reason, text in (
        ("a", "FieldValueInvalid", "at least 2 chars long"),
        ("aaaa", "FieldValueTooLong", "may not be more than 3 bytes"),
        ("aa", "FieldValueInvalid", "should match '^b'"),
    ):
        answer = await api.post(path, widget(api, "w", {"a": wrong}))
        assert answer.causes() == {(reason, "spec.a")}
        assert text in answer.body["message"]


@with_crd(an_object(n={"type": "number"}, list={"type": "array", "items": {"type": "number"}}))
async def test_whole_numbers_are_written_without_a_point(api: Api, path: str) -> None:
    body = json.dumps(widget(api, "w", {"n": 3.0, "list": [1.5, 2.0, 1e3]})).encode()
    made = await api.post(path, body)
    made.ok(201)
    for answer in (made, await api.get(f"{path}/w")):
        text = answer.raw.decode().replace(" ", "")
        assert '"list":[1.5,2,1000]' in text
        assert re.search(r'"n":3[,}]', text)


@with_crd(an_object(n=NUMBER, deep=an_object(x={"type": "object", **FREE})))
async def test_true_is_not_one(api: Api, path: str) -> None:
    made = (await api.post(path, widget(api, "w", {"n": 1, "deep": {"x": {"y": 1}}}))).ok(201)
    refused = await api.patch(f"{path}/w", {"spec": {"n": True}})
    assert refused.causes() == {("FieldValueTypeInvalid", "spec.n")}
    changed = (await api.patch(f"{path}/w", {"spec": {"deep": {"x": {"y": True}}}})).ok()
    assert changed["spec"]["deep"]["x"]["y"] is True
    assert changed["metadata"]["generation"] == made["metadata"]["generation"] + 1


@with_crd(
    schema=an_object(
        spec=an_object(), status={**an_object(phase={**TEXT, "default": "New"}), "default": {}}
    )
)
async def test_a_default_status(api: Api, path: str) -> None:
    made = (await api.post(path, widget(api, "w", {}) | {"status": {"phase": "Odd"}})).ok(201)
    assert made["status"] == {"phase": "New"}


@with_crd(an_object(**{n.replace("-", ""): {**TEXT, "format": n} for n, _, _ in FORMATS}))
async def test_formats(api: Api, path: str) -> None:
    for name, good, bad in FORMATS:
        field = name.replace("-", "")
        for index, value in enumerate(good):
            await accepted(api, path, f"{field}-{index}", {field: value})
        for value in bad:
            found = await causes(api, path, {field: value})
            assert found == {("FieldValueTypeInvalid", f"spec.{field}")}, (name, value)


@with_crd(
    an_object(
        one={**an_object(a=TEXT, b=TEXT), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        any={**an_object(a=TEXT, b=TEXT), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        all={**NUMBER, "allOf": [{"minimum": 1}, {"maximum": 5}]},
        no={**TEXT, "not": {"enum": ["bad"]}},
    )
)
async def test_junctors(api: Api, path: str) -> None:
    good = {"one": {"a": "1"}, "any": {"a": "1", "b": "2"}, "all": 3, "no": "good"}
    await accepted(api, path, "good", good)
    for bad, fields, message in (
        ({"one": {}}, {"<nil>", "spec.one.a"}, "one and only one schema (oneOf). Found none"),
        ({"one": {"a": "1", "b": "2"}}, {"<nil>"}, "(oneOf). Found 2 valid alternatives"),
        ({"any": {}}, {"<nil>", "spec.any.a"}, "must validate at least one schema (anyOf)"),
        ({"all": 9}, {"<nil>", "spec.all"}, "must validate all the schemas (allOf)"),
        ({"no": "bad"}, {"<nil>"}, "must not validate the schema (not)"),
    ):
        answer = await api.post(path, widget(api, "bad", bad))
        assert {name for _, name in answer.causes()} == fields, bad
        assert message in answer.body["message"]


@with_crd(
    {
        **an_object(n={**NUMBER, "minimum": 1}, s={**TEXT, "pattern": "^a$"}, r=TEXT),
        "required": ["r"],
    }
)
async def test_messages(api: Api, path: str) -> None:
    answer = await api.post(path, widget(api, "w", {"n": 0, "s": "b"}))
    texts = {c["field"]: c["message"] for c in answer.failed(422, "Invalid")["details"]["causes"]}
    assert texts["spec.n"] == (
        "Invalid value: 0: spec.n in body should be greater than or equal to 1"
    )
    assert texts["spec.s"] == "Invalid value: \"b\": spec.s in body should match '^a$'"
    assert texts["spec.r"] == "Required value"


@with_crd(an_object(a=TEXT, b=TEXT))
async def test_what_was_bad_before_may_stay(api: Api, path: str) -> None:
    """Validation ratchets: only what changes is looked at again."""
    (await api.post(path, widget(api, "w", {"a": "bad", "b": "1"}))).ok(201)
    where = f"{DEFINITIONS}/{definition(api)['metadata']['name']}"
    crd = (await api.get(where)).ok()
    shape = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    shape["properties"]["a"]["pattern"] = "^good$"
    (await api.put(where, crd)).ok()

    async def stricter() -> bool:
        answer = await api.post(path, widget(api, "v", {"a": "bad"}), dryRun="All")
        return answer.status == 422

    await eventually(stricter)
    (await api.patch(f"{path}/w", {"spec": {"b": "2"}})).ok()
    found = (await api.patch(f"{path}/w", {"spec": {"a": "worse"}})).causes()
    assert found == {("FieldValueInvalid", "spec.a")}

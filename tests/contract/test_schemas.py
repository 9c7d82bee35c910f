"""Structural schemas at work: pruning, defaults, validation, list types, CEL rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.api import Document, eventually
from contract.crds import DEFINITIONS, definition, widget, with_crd

if TYPE_CHECKING:
    from contract.api import Api

TEXT: Document = {"type": "string", "maxLength": 99}
NUMBER: Document = {"type": "integer"}


def an_object(**properties: Any) -> Document:
    return {"type": "object", "properties": properties}


async def causes(api: Api, path: str, spec: Any) -> set[tuple[str, str]]:
    return (await api.post(path, widget(api, "bad", spec))).causes()


async def accepted(api: Api, path: str, name: str, spec: Any) -> Any:
    return (await api.post(path, widget(api, name, spec))).ok(201).get("spec")


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
    ("byte", ["aGk="], ["a"]),
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


# ---------------------------------------------------------------- CEL


def ruled(schema: Document, *rules: Any) -> Document:
    listed = [{"rule": r} if isinstance(r, str) else r for r in rules]
    return {**schema, "x-kubernetes-validations": listed}


RULES: list[tuple[Document, str, list[Any], list[Any]]] = [
    (an_object(a=NUMBER), "self.a > 3", [{"a": 4}], [{"a": 3}]),
    (an_object(a=NUMBER, b=NUMBER), "self.a <= self.b", [{"a": 1, "b": 1}], [{"a": 2, "b": 1}]),
    (an_object(a=TEXT), "!has(self.a) || self.a != ''", [{}, {"a": "x"}], [{"a": ""}]),
    (an_object(a=TEXT), "self.a.startsWith('x') && self.a.endsWith('z')", [{"a": "xyz"}],
     [{"a": "xy"}]),
    (an_object(a=TEXT), "self.a.matches('^[0-9]+$')", [{"a": "12"}], [{"a": "1x"}]),
    (an_object(a=TEXT), "size(self.a) == 2", [{"a": "éé"}], [{"a": "é"}]),
    (an_object(a=TEXT), "self.a.size() < 3", [{"a": "éé"}], [{"a": "abc"}]),
    (an_object(l={"type": "array", "items": TEXT, "maxItems": 9}), "self.l.all(x, x.size() > 1)",
     [{"l": ["ab"]}, {"l": []}], [{"l": ["ab", "c"]}]),
    (an_object(l={"type": "array", "items": NUMBER, "maxItems": 9}),
     "self.l.exists_one(x, x == 1) && self.l.exists(x, x > 1)", [{"l": [1, 2]}],
     [{"l": [1, 1, 2]}]),
    (an_object(l={"type": "array", "items": NUMBER, "maxItems": 9}),
     "self.l.map(x, x * 2).exists(y, y == 4) && self.l.filter(x, x > 1).size() == 1",
     [{"l": [1, 2]}], [{"l": [1, 3]}]),
    (an_object(l={"type": "array", "items": NUMBER, "maxItems": 9}), "self.l.isSorted()",
     [{"l": [1, 2]}], [{"l": [2, 1]}]),
    (an_object(l={"type": "array", "items": NUMBER, "maxItems": 9}),
     "self.l.sum() == 6 && self.l.min() == 1 && self.l.max() == 3", [{"l": [1, 2, 3]}],
     [{"l": [6, 0]}]),
    (an_object(l={"type": "array", "items": TEXT, "maxItems": 9}),
     "self.l.indexOf('b') == 1 && self.l.lastIndexOf('b') == 2", [{"l": ["a", "b", "b"]}],
     [{"l": ["b", "b"]}]),
    (an_object(m={"type": "object", "additionalProperties": NUMBER, "maxProperties": 9}),
     "self.m.all(k, self.m[k] > 0) && 'a' in self.m", [{"m": {"a": 1}}],
     [{"m": {"b": 1}}, {"m": {"a": 0}}]),
    (an_object(p={"x-kubernetes-int-or-string": True}),
     "type(self.p) == int ? self.p < 100 : self.p.endsWith('%')", [{"p": 5}, {"p": "5%"}],
     [{"p": 100}, {"p": "5"}]),
    (an_object(t={**TEXT, "format": "date-time"}), "self.t > timestamp('2020-01-01T00:00:00Z')",
     [{"t": "2021-01-01T00:00:00Z"}], [{"t": "2019-01-01T00:00:00Z"}]),
    (an_object(d={**TEXT, "format": "duration"}), "self.d <= duration('1h')", [{"d": "59m"}],
     [{"d": "61m"}]),
    (an_object(a=TEXT),
     "isIP(self.a) && ip(self.a).family() == 4 && !ip(self.a).isLoopback()",
     [{"a": "10.0.0.1"}], [{"a": "::1"}, {"a": "127.0.0.1"}, {"a": "x"}]),
    (an_object(a=TEXT),
     ("isCIDR(self.a) && cidr('10.0.0.0/8').containsCIDR(self.a) && "
     "cidr(self.a).containsIP('10.1.0.1') && cidr(self.a).prefixLength() == 16"),
     [{"a": "10.1.0.0/16"}], [{"a": "10.0.0.0/8"}, {"a": "11.1.0.0/16"}]),
    (an_object(a=TEXT), "ip.isCanonical(self.a)", [{"a": "2001:db8::1"}],
     [{"a": "2001:DB8::1"}]),
    (an_object(a=TEXT),
     ("self.a.lowerAscii() == 'abc' && self.a.trim().substring(0, 1).upperAscii() == 'A' && "
     "self.a.indexOf('C') == 2 && self.a.charAt(0) == 'A'"), [{"a": "ABC"}], [{"a": "ABX"}]),
    (an_object(a={"type": "string", "maxLength": 9}),
     "self.a.replace('B', 'x') == 'AxC' && self.a.split('B').size() == 2", [{"a": "ABC"}],
     [{"a": "ABCB"}]),
    (an_object(l={"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 3}),
     "self.l.join('-') == 'a-b'", [{"l": ["a", "b"]}], [{"l": ["ab"]}]),
    (an_object(a=TEXT),
     "self.a.find('[0-9]+') == '12' && self.a.findAll('[0-9]').size() == 2", [{"a": "a12"}],
     [{"a": "a1"}]),
    (an_object(a=TEXT), "int(self.a) % 2 == 0 && double(self.a) >= 2.0", [{"a": "4"}],
     [{"a": "3"}]),
    (an_object(n={"type": "number"}), "self.n > 1.0", [{"n": 2}, {"n": 1.5}], [{"n": 1}]),
    (an_object(**{"a-b": TEXT, "in": TEXT, "namespace": TEXT}),
     "self.a__dash__b == self.__in__ && self.__namespace__ == 'x'",
     [{"a-b": "1", "in": "1", "namespace": "x"}], [{"a-b": "1", "in": "2", "namespace": "x"}]),
    (an_object(a=TEXT, b=TEXT), "[has(self.a), has(self.b)].filter(x, x).size() == 1",
     [{"a": "1"}], [{}, {"a": "1", "b": "2"}]),
    (an_object(a=TEXT), "self . a == 'x . y'", [{"a": "x . y"}], [{"a": "x.y"}]),
    ({**an_object(a=TEXT), "nullable": True}, "self.a == 'x'", [{"a": "x"}], [{"a": "y"}]),
]  # fmt: skip


@with_crd(
    an_object(
        **{
            f"f{n}": ruled(schema, {"rule": rule, "message": "broken"})
            for n, (schema, rule, _, _) in enumerate(RULES)
        }
    )
)
async def test_rules(api: Api, path: str) -> None:
    """One CRD holds all rules, each at a field of its own."""
    wrong = []
    for index, (_, rule, good, bad) in enumerate(RULES):
        field = f"f{index}"
        for number, value in enumerate(good):
            await accepted(api, path, f"good-{index}-{number}", {field: value})
        for value in bad:
            answer = await api.post(path, widget(api, "bad", {field: value}))
            texts = [c["message"] for c in answer.body.get("details", {}).get("causes", [])]
            right = texts == ["Invalid value: broken"]
            if not right or answer.causes() != {("FieldValueInvalid", f"spec.{field}")}:
                wrong.append((rule, value, answer.raw))
    assert wrong == []
    assert len(RULES) >= 29


@with_crd(
    ruled(
        an_object(
            a=ruled(NUMBER, {"rule": "self > 0", "message": "must be positive"}),
            b=ruled(NUMBER, "self  >\t0"),
            c=ruled(TEXT, {"rule": "self == ''", "messageExpression": "'is ' + self"}),
            d=NUMBER,
        ),
        {
            "rule": "!has(self.d) || self.d > 0",
            "fieldPath": ".d",
            "reason": "FieldValueForbidden",
            "message": "no",
        },
    )
)
async def test_what_a_rule_says_when_it_fails(api: Api, path: str) -> None:
    answer = await api.post(path, widget(api, "w", {"a": 0, "b": 0, "c": "x", "d": 0}))
    texts = {c["field"]: (c["reason"], c["message"]) for c in answer.body["details"]["causes"]}
    assert texts == {
        "spec.a": ("FieldValueInvalid", "Invalid value: 0: must be positive"),
        "spec.b": ("FieldValueInvalid", "Invalid value: 0: failed rule: self  >\t0"),
        "spec.c": ("FieldValueInvalid", 'Invalid value: "x": is x'),
        "spec.d": ("FieldValueForbidden", "Forbidden: no"),
    }


@with_crd(ruled(an_object(a=TEXT), "self.a == 'x'"))
async def test_rules_that_cannot_be_evaluated(api: Api, path: str) -> None:
    answer = await api.post(path, widget(api, "w", {}))
    (cause,) = answer.failed(422, "Invalid")["details"]["causes"]
    assert cause["message"].startswith('Invalid value: "object": no such key: a evaluating rule')


@with_crd(
    an_object(
        fixed=ruled(TEXT, {"rule": "self == oldSelf", "message": "is immutable"}),
        up=ruled(NUMBER, "self >= oldSelf"),
        once=ruled(
            {**TEXT, "maxLength": 9},
            {"rule": "oldSelf.hasValue() || self == 'first'", "optionalOldSelf": True},
        ),
        list={
            "type": "array",
            "maxItems": 5,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {
                **an_object(k={**TEXT, "maxLength": 9}, v=ruled(NUMBER, "self >= oldSelf")),
                "required": ["k"],
            },
        },
    )
)
async def test_transition_rules(api: Api, path: str) -> None:
    assert ("FieldValueInvalid", "spec.once") in await causes(api, path, {"once": "second"})
    spec = {
        "fixed": "a",
        "up": 1,
        "once": "first",
        "list": [{"k": "x", "v": 1}, {"k": "y", "v": 5}],
    }
    await accepted(api, path, "w", spec)
    where = f"{path}/w"
    assert (await api.patch(where, {"spec": {"fixed": "b"}})).causes() == {
        ("FieldValueInvalid", "spec.fixed")
    }
    (await api.patch(where, {"spec": {"up": 2, "once": "second"}})).ok()
    assert (await api.patch(where, {"spec": {"up": 1}})).causes() == {
        ("FieldValueInvalid", "spec.up")
    }
    swapped = [{"k": "y", "v": 6}, {"k": "x", "v": 1}, {"k": "z", "v": 0}]
    (await api.patch(where, {"spec": {"list": swapped}})).ok()
    lower = [{"k": "y", "v": 5}, {"k": "x", "v": 1}]
    assert (await api.patch(where, {"spec": {"list": lower}})).causes() == {
        ("FieldValueInvalid", "spec.list[0].v")
    }


@with_crd({**ruled(an_object(a=TEXT, b=NUMBER), "self.b > 0"), "required": ["a"]})
async def test_rules_wait_for_the_schema(api: Api, path: str) -> None:
    found = await causes(api, path, {"b": 0})
    assert ("FieldValueRequired", "spec.a") in found
    assert ("FieldValueInvalid", "spec") not in found
    answer = await api.post(path, widget(api, "w", {"b": 0}))
    assert "some validation rules were not checked" in answer.body["message"]


@with_crd(
    schema=ruled(
        an_object(spec=an_object(a=TEXT), status=ruled(an_object(n=NUMBER), "self.n > 0")),
        {"rule": "self.metadata.name.startsWith('w')", "message": "wrong name"},
    )
)
async def test_rules_at_the_root_and_in_status(api: Api, path: str) -> None:
    (await api.post(path, widget(api, "w", {}))).ok(201)
    answer = await api.post(path, widget(api, "x", {}))
    assert "wrong name" in answer.failed(422, "Invalid")["message"]
    (await api.patch(f"{path}/w/status", {"status": {"n": 1}})).ok()
    bad = await api.patch(f"{path}/w/status", {"status": {"n": 0}})
    assert bad.causes() == {("FieldValueInvalid", "status")}


@pytest.mark.parametrize(
    "rule",
    [
        "self.nope > 1",
        "self.a.nope()",
        "unknown > 1",
        "self.a >",
        "self.a + 1 == 2 &&",
        "self.l.map(x, x.frobnicate())",
        "oldSelf.nope == self.a",
        "foo(self.a)",
        "sizeof(self.a) == 1",
        "math.greatest(1, 2) == 2",
        "cel.bind(x, self.a, x == x)",
        "self.a.reverse() == 'a'",
    ],
)
async def test_rules_that_do_not_compile(api: Api, rule: str) -> None:
    spec = an_object(a=TEXT, l={"type": "array", "items": TEXT, "maxItems": 9})
    answer = await api.post(DEFINITIONS, definition(api, ruled(spec, rule)))
    field = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule"
    assert answer.causes() == {("FieldValueInvalid", field)}
    assert "compilation failed" in answer.body["message"]


async def test_old_self_needs_something_to_compare_with(api: Api) -> None:
    items = ruled(an_object(a=NUMBER), "self.a >= oldSelf.a")
    spec = an_object(l={"type": "array", "maxItems": 9, "items": items})
    answer = await api.post(DEFINITIONS, definition(api, spec))
    (field,) = {name for _, name in answer.causes()}
    assert field.endswith("properties[l].items.x-kubernetes-validations[0].rule")

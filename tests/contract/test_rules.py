"""CEL rules of schemas: what they find, what they say, which are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

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

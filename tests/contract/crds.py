"""CRDs for tests: a group of its own for each test, so that names never collide.

The real server lets the first create of an object wait until its CRD is two seconds old. So tests
that only use a CRD declare it with ``@with_crd``, and all of them are made when a server has
started; ``path`` is then where its objects are. Tests about the life of CRDs make theirs with
``widgets``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from contract.api import Document, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.api import Api

Test = TypeVar("Test")

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ANYTHING: Document = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


TEXT: Document = {"type": "string", "maxLength": 99}
NUMBER: Document = {"type": "integer"}


def an_object(**properties: Any) -> Document:
    return {"type": "object", "properties": properties}


def group_of(api: Api) -> str:
    return api.crd_group or f"{api.namespace}.example.com"


def with_crd(spec: Document | None = None, **options: Any) -> Callable[[Test], Test]:
    """Declares the CRD of a test."""

    def mark(test: Test) -> Test:
        test.crd = (spec, options)  # type: ignore[attr-defined]
        return test

    return mark


def group_for(test: Any) -> str:
    """The group of a declared CRD."""
    return f"{test.__name__.removeprefix('test_').replace('_', '-')[:50]}.example.com"


async def make_all(api: Api, tests: set[Any]) -> None:
    """Makes the CRDs that tests declare."""

    async def make(test: Any) -> None:
        spec, options = test.crd
        body = definition(api, spec, **{"group": group_for(test), **options})
        (await api.post(DEFINITIONS, body)).ok(201)

    await asyncio.gather(*map(make, tests))

    async def settled() -> bool:
        found = (await api.get(DEFINITIONS)).ok()["items"]
        return all(condition(crd, "Established") == "True" for crd in found)

    await eventually(settled)
    for test in tests:
        where = f"/apis/{group_for(test)}/v1/widgets?resourceVersion=0"

        async def cached(where: str = where) -> bool:
            return (await api.get(where)).status == 200

        await eventually(cached)


def path_for(api: Api, test: Any) -> str:
    """Where the objects of a declared CRD are."""
    api.crd_group = group_for(test)
    scope = test.crd[1].get("scope", "Namespaced")
    where = f"namespaces/{api.namespace}/" if scope == "Namespaced" else ""
    return f"/apis/{api.crd_group}/v1/{where}widgets"


def definition(api: Api, spec: Document | None = None, **options: Any) -> Document:
    """A CRD of Widgets; ``spec`` is the schema of their spec."""
    group = options.pop("group", group_of(api))
    schema = {
        "type": "object",
        "properties": {"spec": spec or ANYTHING, "status": dict(ANYTHING)},
    }
    version: Document = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": options.pop("schema", schema)},
        "subresources": {"status": {}},
    }
    version.update(options.pop("version", {}))
    names = {"plural": "widgets", "kind": "Widget"} | options.pop("names", {})
    body: Document = {
        "group": group,
        "scope": "Namespaced",
        "names": names,
        "versions": [version],
    }
    body.update(options)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": body,
    }


async def established(api: Api, body: Document) -> str:
    """Creates a CRD, waits until it is served, returns the path of its objects."""
    name = body["metadata"]["name"]
    spec = body["spec"]
    async with api.watch(DEFINITIONS, fieldSelector=f"metadata.name={name}") as watch:
        (await api.post(DEFINITIONS, body)).ok(201)
        await watch.until(lambda event: condition(event["object"], "Established") == "True")
    where = f"namespaces/{api.namespace}/" if spec["scope"] == "Namespaced" else ""
    served = next(v["name"] for v in spec["versions"] if v["served"])
    path = f"/apis/{spec['group']}/{served}/{where}{spec['names']['plural']}"

    async def there() -> bool:
        return (await api.get(path)).status == 200

    await eventually(there)
    return path


async def widgets(api: Api, spec: Document | None = None, **options: Any) -> str:
    """The path of served Widgets."""
    return await established(api, definition(api, spec, **options))


def condition(crd: Document, kind: str) -> str:
    conditions = crd.get("status", {}).get("conditions") or []
    return next((str(c["status"]) for c in conditions if c["type"] == kind), "")


def widget(api: Api, name: str, spec: Any = None, **metadata: Any) -> Document:
    out: Document = {
        "apiVersion": f"{group_of(api)}/v1",
        "kind": "Widget",
        "metadata": {"name": name, **metadata},
    }
    if spec is not None:
        out["spec"] = spec
    return out


async def causes(api: Api, path: str, spec: Any) -> set[tuple[str, str]]:
    return (await api.post(path, widget(api, "bad", spec))).causes()


async def accepted(api: Api, path: str, name: str, spec: Any) -> Any:
    return (await api.post(path, widget(api, name, spec))).ok(201).get("spec")

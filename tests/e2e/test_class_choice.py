"""Which class serves a Service: field, annotation, default, and the one it was once bound to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metallb.api.conditions import ClassCondition, ServiceCondition
from metallb.api.services import CLASS_ANNOTATION

if TYPE_CHECKING:
    from support.scene import Scene

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.netns,
    pytest.mark.real,
]


async def test_annotation_names_the_class(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9), name="one", is_default=True)
    await scene.make_class(scene.range4(11, 19), name="two")
    await scene.make_service(
        load_balancer_class=None, annotations={CLASS_ANNOTATION: scene.name("two")}
    )
    assert await scene.served() == (scene.ipv4(11),)


async def test_default_class_takes_those_that_name_none(scene: Scene) -> None:
    await scene.make_service("early", load_balancer_class=None)
    await scene.make_class(scene.range4(1, 9), is_default=True)
    await scene.make_service("late", load_balancer_class=None)
    assert await scene.served(name="early") == (scene.ipv4(1),)
    assert await scene.served(name="late") == (scene.ipv4(2),)
    await scene.until(lambda: scene.class_says(ClassCondition.DEFAULT)[:2] == (True, "Default"))

    await scene.patch_class(isDefault=False)
    await scene.until(lambda: scene.class_says(ClassCondition.DEFAULT) == (False, "", ""))
    assert scene.addresses("early") == (scene.ipv4(1),)
    assert scene.addresses("late") == (scene.ipv4(2),)


async def test_of_two_default_classes_the_older_wins_and_the_younger_says_so(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9), name="a-older", is_default=True)
    await scene.make_class(scene.range4(11, 19), name="b-younger", is_default=True)
    await scene.make_service(load_balancer_class=None)
    assert await scene.served() == (scene.ipv4(1),)
    await scene.until(
        lambda: scene.class_says(ClassCondition.DEFAULT, "b-younger")[:2] == (False, "OlderDefault")
    )
    assert scene.name("a-older") in scene.class_says(ClassCondition.DEFAULT, "b-younger")[2]
    assert scene.name("a-older") in await scene.event("b-younger", "OlderDefault")
    await scene.until(
        lambda: scene.class_says(ClassCondition.DEFAULT, "a-older")[:2] == (True, "Default")
    )


async def test_a_class_of_somebody_else_is_left_alone(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9), is_default=True)
    foreign = "example.com/other-vendor"
    await scene.make_service("foreign", load_balancer_class=None, loadBalancerClass=foreign)
    await scene.make_service("ours", load_balancer_class=None)  # decided after the other
    assert await scene.served(name="ours") == (scene.ipv4(1),)
    service = await scene.cluster.get("Service", scene.name("foreign"))
    assert service["status"] == {"loadBalancer": {}}
    assert await scene.events("foreign") == []
    assert scene.cluster.vips_of(scene.name("foreign")) == []


async def test_an_annotation_that_names_no_class_is_refused(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9), is_default=True)
    await scene.make_service(load_balancer_class=None, annotations={CLASS_ANNOTATION: "t-nowhere"})
    assert "'t-nowhere'" in await scene.event("web", "LoadBalancerClassUnknown")
    await scene.until(lambda: scene.reason(ServiceCondition.CLASS) == "LoadBalancerClassUnknown")
    assert scene.addresses() == ()

    await scene.annotate("web", of_class=scene.name("pool"))
    assert await scene.served() == (scene.ipv4(1),)


async def test_binding_is_kept_whatever_is_written_later(scene: Scene) -> None:
    await scene.make_class(scene.range4(1, 9), name="one")
    await scene.make_class(scene.range4(11, 19), name="two", is_default=True)
    annotation = {CLASS_ANNOTATION: scene.name("one")}
    await scene.make_service("bound", load_balancer_class=None, annotations=annotation)
    assert await scene.served(name="bound") == (scene.ipv4(1),)

    await scene.annotate("bound", of_class=scene.name("two"), count="2")
    assert await scene.served(2, "bound") == (scene.ipv4(1), scene.ipv4(2))
    await scene.annotate("bound", of_class=None, count="3")
    assert await scene.served(3, "bound") == tuple(scene.ipv4(last) for last in (1, 2, 3))
    assert scene.said(ServiceCondition.CLASS, "bound") == (
        True, "LoadBalancerClassBound", scene.name("one"),
    )  # fmt: skip


async def test_conditions_and_fields_of_others_are_kept(scene: Scene) -> None:
    await scene.make_service()  # its class does not exist yet
    foreign = {
        "type": "example.com/Checked", "status": "True", "reason": "Checked", "message": "by hand",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    await scene.cluster.patch(
        "Service", scene.name("web"), {"status": {"conditions": [foreign]}}, "default", "status"
    )
    await scene.make_class(scene.range4(1, 9))
    await scene.served()
    service = await scene.cluster.get("Service", scene.name("web"))
    assert foreign in service["status"]["conditions"]
    assert len(service["status"]["conditions"]) == 3

"""Services: defaults, addresses, ports, what may change, what a change of type does."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest

from contract.api import Document, service

if TYPE_CHECKING:
    from contract.api import Answer, Api

V4 = ip_network("10.96.0.0/12")
V6 = ip_network("fd96::/108")


async def make(api: Api, name: str = "s", **spec: Any) -> Document:
    return (await api.post(f"{api.core}/services", service(name, **spec))).ok(201)


async def change(api: Api, name: str = "s", **spec: Any) -> Answer:
    return await api.patch(f"{api.core}/services/{name}", {"spec": spec})


async def refused(api: Api, **spec: Any) -> set[tuple[str, str]]:
    return (await api.post(f"{api.core}/services", service("bad", **spec))).causes()


# ---------------------------------------------------------------- defaults


async def test_defaults_of_cluster_ip(api: Api) -> None:
    spec = (await make(api))["spec"]
    address = spec.pop("clusterIP")
    assert ip_address(address) in V4
    assert spec == {
        "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
        "clusterIPs": [address],
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
    }
    made = (await api.get(f"{api.core}/services/s")).ok()
    assert made["status"] == {"loadBalancer": {}}


async def test_defaults_of_load_balancer(api: Api) -> None:
    spec = (await make(api, type="LoadBalancer"))["spec"]
    assert spec["allocateLoadBalancerNodePorts"] is True
    assert spec["externalTrafficPolicy"] == "Cluster"
    assert 30000 <= spec["ports"][0]["nodePort"] <= 32767
    assert "healthCheckNodePort" not in spec


async def test_local_policy_has_a_health_check_port(api: Api) -> None:
    spec = (await make(api, type="LoadBalancer", externalTrafficPolicy="Local"))["spec"]
    assert 30000 <= spec["healthCheckNodePort"] <= 32767
    assert spec["healthCheckNodePort"] != spec["ports"][0]["nodePort"]
    done = (await change(api, externalTrafficPolicy="Cluster")).ok()["spec"]
    assert "healthCheckNodePort" not in done


async def test_no_node_ports_when_told_so(api: Api) -> None:
    spec = (
        await make(
            api,
            type="LoadBalancer",
            allocateLoadBalancerNodePorts=False,
            externalTrafficPolicy="Local",
        )
    )["spec"]
    assert "nodePort" not in spec["ports"][0]
    assert spec["allocateLoadBalancerNodePorts"] is False
    assert spec["healthCheckNodePort"]


async def test_session_affinity(api: Api) -> None:
    spec = (await make(api, sessionAffinity="ClientIP"))["spec"]
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    done = (await change(api, sessionAffinity="None")).ok()["spec"]
    assert "sessionAffinityConfig" not in done
    config = {"clientIP": {"timeoutSeconds": 86401}}
    found = await refused(api, sessionAffinity="ClientIP", sessionAffinityConfig=config)
    path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
    assert found == {("FieldValueInvalid", path)}


async def test_external_traffic_policy_with_external_ips(api: Api) -> None:
    spec = (await make(api, externalIPs=["1.2.3.4"]))["spec"]
    assert spec["externalTrafficPolicy"] == "Cluster"


# ---------------------------------------------------------------- addresses


async def test_headless(api: Api) -> None:
    spec = (await make(api, clusterIP="None", selector={"a": "b"}))["spec"]
    assert spec["clusterIPs"] == ["None"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    spec = (await make(api, "free", clusterIP="None"))["spec"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")
    spec = (await make(api, "portless", clusterIP="None", ports=[]))["spec"]
    assert "ports" not in spec


async def test_dual_stack(api: Api) -> None:
    spec = (await make(api, ipFamilyPolicy="PreferDualStack"))["spec"]
    assert spec["ipFamilies"] == ["IPv4", "IPv6"]
    first, second = map(ip_address, spec["clusterIPs"])
    assert first in V4
    assert second in V6
    spec = (await make(api, "r", ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv6", "IPv4"]))[
        "spec"
    ]
    assert [ip_address(ip).version for ip in spec["clusterIPs"]] == [6, 4]
    assert spec["clusterIP"] == spec["clusterIPs"][0]
    spec = (await make(api, "six", ipFamilies=["IPv6"]))["spec"]
    assert ip_address(spec["clusterIP"]) in V6


async def test_up_and_down_between_one_and_two_families(api: Api) -> None:
    first = (await make(api))["spec"]["clusterIP"]
    up = (await change(api, ipFamilyPolicy="PreferDualStack")).ok()["spec"]
    assert up["clusterIPs"][0] == first
    assert [ip_address(ip).version for ip in up["clusterIPs"]] == [4, 6]
    lost = await change(api, clusterIPs=[first], ipFamilies=["IPv4"])
    assert ("FieldValueInvalid", "spec.ipFamilyPolicy") in lost.causes()
    down = (await change(api, ipFamilyPolicy="SingleStack")).ok()["spec"]
    assert down["clusterIPs"] == [first]
    assert down["ipFamilies"] == ["IPv4"]


async def test_a_wanted_address(api: Api) -> None:
    taken = (await make(api, clusterIP="10.96.77.7"))["spec"]
    assert taken["clusterIPs"] == ["10.96.77.7"]
    again = await api.post(f"{api.core}/services", service("b", clusterIP="10.96.77.7"))
    assert again.causes() == {("FieldValueInvalid", "spec.clusterIPs")}
    assert "provided IP is already allocated" in again.body["message"]
    (await api.delete(f"{api.core}/services/s")).ok()
    await make(api, "c", clusterIP="10.96.77.7")
    (await api.delete(f"{api.core}/services/c")).ok()
    outside = await api.post(f"{api.core}/services", service("d", clusterIP="192.168.0.1"))
    assert outside.causes() == {("FieldValueInvalid", "spec.clusterIPs")}


async def test_addresses_never_repeat(api: Api) -> None:
    seen = [(await make(api, f"s{n}"))["spec"]["clusterIP"] for n in range(20)]
    assert len(set(seen)) == len(seen)


async def test_the_address_is_fixed(api: Api) -> None:
    first = (await make(api))["spec"]["clusterIP"]
    other = "10.96.78.8" if first != "10.96.78.8" else "10.96.78.9"
    answer = await change(api, clusterIP=other, clusterIPs=[other])
    assert ("FieldValueInvalid", "spec.clusterIPs[0]") in answer.causes()
    kept = (await change(api, clusterIP=None, clusterIPs=None)).ok()
    assert kept["spec"]["clusterIP"] == first
    whole = (await api.put(f"{api.core}/services/s", service("s", selector={"a": "b"}))).ok()
    assert whole["spec"]["clusterIP"] == first


async def test_a_dry_run_takes_nothing(api: Api) -> None:
    body = service("d", clusterIP="10.96.79.9", type="NodePort")
    (await api.post(f"{api.core}/services", body, dryRun="All")).ok(201)
    await make(api, clusterIP="10.96.79.9")
    (await api.delete(f"{api.core}/services/s")).ok()


# ---------------------------------------------------------------- ports


async def test_node_ports(api: Api) -> None:
    ports = [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 81}]
    spec = (await make(api, type="NodePort", ports=ports))["spec"]
    assert spec["ports"][0]["nodePort"] == 30080
    assert spec["ports"][1]["nodePort"] not in (30080, 0)
    body = service("b", type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    again = await api.post(f"{api.core}/services", body)
    assert again.causes() == {("FieldValueInvalid", "spec.ports[0].nodePort")}
    assert "provided port is already allocated" in again.body["message"]
    outside = service("c", type="NodePort", ports=[{"port": 80, "nodePort": 80}])
    message = (await api.post(f"{api.core}/services", outside)).failed(422, "Invalid")["message"]
    assert "The range of valid ports is 30000-32767" in message
    (await api.delete(f"{api.core}/services/s")).ok()
    (await api.post(f"{api.core}/services", body)).ok(201)
    (await api.delete(f"{api.core}/services/b")).ok()


async def test_one_node_port_for_two_protocols(api: Api) -> None:
    ports = [
        {"name": "t", "port": 53, "protocol": "TCP"},
        {"name": "u", "port": 53, "protocol": "UDP"},
    ]
    spec = (await make(api, type="NodePort", ports=ports))["spec"]
    assert spec["ports"][0]["nodePort"] == spec["ports"][1]["nodePort"]


async def test_ports_keep_their_node_ports(api: Api) -> None:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    before = (await make(api, type="LoadBalancer", ports=ports))["spec"]["ports"]
    changed = [{"name": "b", "port": 91}, {"name": "a", "port": 90}]
    body = service("s", type="LoadBalancer", ports=changed)
    after = (await api.put(f"{api.core}/services/s", body)).ok()["spec"]["ports"]
    assert {p["name"]: p["nodePort"] for p in after} == {p["name"]: p["nodePort"] for p in before}


async def test_target_ports(api: Api) -> None:
    ports = [
        {"name": "n", "port": 80, "targetPort": "http"},
        {"name": "z", "port": 81, "targetPort": 0},
        {"name": "e", "port": 82, "targetPort": ""},
    ]
    spec = (await make(api, ports=ports))["spec"]
    assert [p["targetPort"] for p in spec["ports"]] == ["http", 81, 82]


# ---------------------------------------------------------------- changing the type


async def test_leaving_load_balancer_clears_what_belongs_to_it(api: Api) -> None:
    await make(
        api, type="LoadBalancer", loadBalancerClass="lab.example.com/x",
        externalTrafficPolicy="Local",
    )  # fmt: skip
    ingress = [{"ip": "192.0.2.1"}]
    status = {"status": {"loadBalancer": {"ingress": ingress}}}
    shown = (await api.patch(f"{api.core}/services/s/status", status)).ok()
    assert shown["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.1", "ipMode": "VIP"}]
    done = (await change(api, type="ClusterIP")).ok()
    assert done["status"] == {"loadBalancer": {}}
    gone = {
        "loadBalancerClass", "allocateLoadBalancerNodePorts", "externalTrafficPolicy",
        "healthCheckNodePort",
    }  # fmt: skip
    assert gone & set(done["spec"]) == set()
    assert "nodePort" not in done["spec"]["ports"][0]


async def test_to_external_name_and_back(api: Api) -> None:
    await make(api)
    done = (await change(api, type="ExternalName", externalName="a.example")).ok()["spec"]
    assert {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & set(done) == set()
    assert "internalTrafficPolicy" not in done
    back = (await change(api, type="ClusterIP", externalName=None)).ok()["spec"]
    assert ip_address(back["clusterIP"]) in V4
    assert back["ipFamilies"] == ["IPv4"]


async def test_to_node_port_and_back(api: Api) -> None:
    await make(api)
    up = (await change(api, type="NodePort")).ok()["spec"]
    port = up["ports"][0]["nodePort"]
    assert port
    assert up["externalTrafficPolicy"] == "Cluster"
    down = (await change(api, type="ClusterIP")).ok()["spec"]
    assert "nodePort" not in down["ports"][0]
    ports = [{"port": 80, "nodePort": port}]
    await make(api, "again", type="NodePort", ports=ports)


async def test_load_balancer_class(api: Api) -> None:
    await make(api)
    name = "lab.example.com/x"
    up = (await change(api, type="LoadBalancer", loadBalancerClass=name)).ok()["spec"]
    assert up["loadBalancerClass"] == name
    other = await change(api, loadBalancerClass="lab.example.com/y")
    assert other.causes() == {("FieldValueInvalid", "spec.loadBalancerClass")}
    assert "may not change once set" in other.body["message"]
    gone = await change(api, loadBalancerClass=None)
    assert gone.causes() == {("FieldValueInvalid", "spec.loadBalancerClass")}
    await make(api, "plain", type="LoadBalancer")
    late = await change(api, "plain", loadBalancerClass=name)
    assert late.causes() == {("FieldValueInvalid", "spec.loadBalancerClass")}
    found = await refused(api, loadBalancerClass=name)
    assert found == {("FieldValueForbidden", "spec.loadBalancerClass")}
    found = await refused(api, type="LoadBalancer", loadBalancerClass="a b")
    assert found == {("FieldValueInvalid", "spec.loadBalancerClass")}


async def test_the_health_check_port_is_fixed(api: Api) -> None:
    await make(api, type="LoadBalancer", externalTrafficPolicy="Local")
    answer = await change(api, healthCheckNodePort=30999)
    assert answer.causes() == {("FieldValueForbidden", "spec.healthCheckNodePort")}


# ---------------------------------------------------------------- status


async def test_status_and_spec_are_apart(api: Api) -> None:
    made = await make(api, type="LoadBalancer")
    path = f"{api.core}/services/s"
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    body = {"status": status, "spec": {"selector": {"x": "y"}}}
    body["metadata"] = {"labels": {"l": "1"}, "annotations": {"a": "1"}}
    done = (await api.patch(f"{path}/status", body)).ok()
    assert done["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"
    assert "selector" not in done["spec"]
    assert done["metadata"]["labels"] == {"l": "1"}
    assert done["metadata"]["annotations"] == {"a": "1"}
    main = {**done, "status": {"loadBalancer": {}}}
    main["spec"] = {**done["spec"], "selector": {"x": "y"}}
    done = (await api.put(path, main)).ok()
    assert done["spec"]["selector"] == {"x": "y"}
    assert done["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"
    assert done["metadata"]["uid"] == made["metadata"]["uid"]
    assert (await api.get(f"{path}/status")).ok() == done


async def test_conditions(api: Api) -> None:
    await make(api, type="LoadBalancer")
    one = {
        "type": "network.deckhouse.io/load-balancer-class",
        "status": "True",
        "reason": "Found",
        "message": "ok",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    body = {"status": {"conditions": [one]}}
    done = (await api.patch(f"{api.core}/services/s/status", body)).ok()
    assert done["status"]["conditions"] == [one]
    kept = (await change(api, selector={"a": "b"})).ok()
    assert kept["status"]["conditions"] == [one]
    cleared = (await change(api, type="ClusterIP")).ok()
    assert cleared["status"] == {"conditions": [one], "loadBalancer": {}}


@pytest.mark.parametrize(
    ("ingress", "cause"),
    [
        ({"ip": "nope"}, ("FieldValueInvalid", "status.loadBalancer.ingress[0].ip")),
        (
            {"ip": "192.0.2.1", "ipMode": "Odd"},
            ("FieldValueNotSupported", "status.loadBalancer.ingress[0].ipMode"),
        ),
        (
            {"hostname": "a.b", "ipMode": "VIP"},
            ("FieldValueForbidden", "status.loadBalancer.ingress[0].ipMode"),
        ),
        ({"hostname": "a b"}, ("FieldValueInvalid", "status.loadBalancer.ingress[0].hostname")),
        (
            {"hostname": "192.0.2.1"},
            ("FieldValueInvalid", "status.loadBalancer.ingress[0].hostname"),
        ),
    ],
)
async def test_ingress_is_validated(
    api: Api, ingress: dict[str, str], cause: tuple[str, str]
) -> None:
    await make(api, type="LoadBalancer")
    body = {"status": {"loadBalancer": {"ingress": [ingress]}}}
    assert (await api.patch(f"{api.core}/services/s/status", body)).causes() == {cause}


async def test_ingress_is_for_load_balancers(api: Api) -> None:
    await make(api)
    body = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    found = (await api.patch(f"{api.core}/services/s/status", body)).causes()
    assert ("FieldValueForbidden", "status.loadBalancer.ingress") in found


# ---------------------------------------------------------------- validation


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        ({"type": "Foo"}, {("FieldValueNotSupported", "spec.type")}),
        ({"sessionAffinity": "Maybe"}, {("FieldValueNotSupported", "spec.sessionAffinity")}),
        ({"ports": []}, {("FieldValueRequired", "spec.ports")}),
        (
            {"ports": [{"port": 0}]},
            {
                ("FieldValueInvalid", "spec.ports[0].port"),
                ("FieldValueInvalid", "spec.ports[0].targetPort"),
            },
        ),
        (
            {"ports": [{"port": 80}, {"port": 81}]},
            {
                ("FieldValueRequired", "spec.ports[0].name"),
                ("FieldValueRequired", "spec.ports[1].name"),
            },
        ),
        (
            {"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]},
            {("FieldValueDuplicate", "spec.ports[1].name")},
        ),
        (
            {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]},
            {("FieldValueDuplicate", "spec.ports[1]")},
        ),
        ({"ports": [{"name": "A", "port": 80}]}, {("FieldValueInvalid", "spec.ports[0].name")}),
        (
            {"ports": [{"port": 80, "protocol": "ICMP"}]},
            {("FieldValueNotSupported", "spec.ports[0].protocol")},
        ),
        (
            {"ports": [{"port": 80, "targetPort": "no_name"}]},
            {("FieldValueInvalid", "spec.ports[0].targetPort")},
        ),
        (
            {"ports": [{"port": 80, "nodePort": 30001}]},
            {("FieldValueForbidden", "spec.ports[0].nodePort")},
        ),
        ({"selector": {"a b": "c"}}, {("FieldValueInvalid", "spec.selector")}),
        ({"clusterIP": "nope"}, {("FieldValueInvalid", "spec.clusterIPs[0]")}),
        ({"clusterIPs": ["10.96.0.9"]}, {("FieldValueInvalid", "spec.clusterIPs")}),
        (
            {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.8"]},
            {("FieldValueInvalid", "spec.clusterIPs")},
        ),
        ({"ipFamilies": ["IPv5"]}, {("FieldValueNotSupported", "spec.ipFamilies[0]")}),
        ({"ipFamilies": ["IPv4", "IPv6"]}, {("FieldValueInvalid", "spec.ipFamilyPolicy")}),
        ({"ipFamilyPolicy": "Some"}, {("FieldValueNotSupported", "spec.ipFamilyPolicy")}),
        ({"externalIPs": ["nope"]}, {("FieldValueInvalid", "spec.externalIPs[0]")}),
        ({"externalIPs": ["127.0.0.1"]}, {("FieldValueInvalid", "spec.externalIPs[0]")}),
        (
            {"loadBalancerSourceRanges": ["10.0.0.0/8"]},
            {("FieldValueForbidden", "spec.LoadBalancerSourceRanges")},
        ),
        (
            {"type": "LoadBalancer", "loadBalancerSourceRanges": ["nope"]},
            {("FieldValueInvalid", "spec.LoadBalancerSourceRanges[0]")},
        ),
        (
            {"allocateLoadBalancerNodePorts": True},
            {("FieldValueForbidden", "spec.allocateLoadBalancerNodePorts")},
        ),
        (
            {"externalTrafficPolicy": "Local"},
            {("FieldValueInvalid", "spec.externalTrafficPolicy")},
        ),
        (
            {"type": "LoadBalancer", "externalTrafficPolicy": "Some"},
            {("FieldValueNotSupported", "spec.externalTrafficPolicy")},
        ),
        (
            {"internalTrafficPolicy": "Some"},
            {("FieldValueNotSupported", "spec.internalTrafficPolicy")},
        ),
        ({"healthCheckNodePort": 30005}, {("FieldValueInvalid", "spec.healthCheckNodePort")}),
        (
            {"type": "LoadBalancer", "clusterIP": "None"},
            {("FieldValueInvalid", "spec.clusterIPs[0]")},
        ),
        ({"type": "ExternalName"}, {("FieldValueRequired", "spec.externalName")}),
        ({"trafficDistribution": "Far"}, {("FieldValueNotSupported", "spec.trafficDistribution")}),
    ],
)
async def test_what_is_refused(
    api: Api, spec: dict[str, Any], causes: set[tuple[str, str]]
) -> None:
    assert await refused(api, **spec) == causes


async def test_names_are_dns_labels_that_start_with_a_letter(api: Api) -> None:
    for name in ("1a", "A", "a.b", "a" * 64):
        answer = await api.post(f"{api.core}/services", service(name))
        assert ("FieldValueInvalid", "metadata.name") in answer.causes()


async def test_warnings(api: Api) -> None:
    body = service("s", externalName="a.example")
    answer = await api.post(f"{api.core}/services", body)
    answer.ok(201)
    text = 'spec.externalName is ignored when spec.type is not \\"ExternalName\\"'
    assert answer.warnings == [f'299 - "{text}"']
    body = service("six", externalIPs=["2001:DB8::1"])
    answer = await api.post(f"{api.core}/services", body)
    answer.ok(201)
    assert "RFC 5952 canonical format" in answer.warnings[0]


async def test_zero_values_are_left_out(api: Api) -> None:
    spec = (
        await make(
            api,
            loadBalancerIP="",
            publishNotReadyAddresses=False,
            externalName="",
            externalIPs=[],
            selector={},
        )
    )["spec"]
    left = {"loadBalancerIP", "publishNotReadyAddresses", "externalName", "externalIPs", "selector"}
    assert left & set(spec) == set()

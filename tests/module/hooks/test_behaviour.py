"""Each hook on objects as the API server gives them, through its own filters of jq."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from metallb.domain.deckhouse_children import FINALIZER
from metallb.tls.certificates import is_good
from metallb_lab.operator.metrics import HookMetrics
from metallb_lab.operator.module import load_module
from metallb_lab.operator.values import ModuleValues
from module.hooks.conftest import ROOT, object_of, ours
from support.objects import bound_condition, service_object

if TYPE_CHECKING:
    from metallb_lab.operator.hook_runs import Outputs
    from module.hooks.conftest import Run

pytestmark = pytest.mark.real
MEMBER = "l2-load-balancer.network.deckhouse.io/member"
NAMESPACE = object_of("v1", "Namespace", "d8-metallb")
OLD_KIND = object_of(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    "sdninternall2lbservices.internal.network.deckhouse.io",
)


def of(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("hook", [name], indirect=True)


def _node(name: str, **labels: str) -> dict[str, Any]:
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    return object_of("v1", "Node", name, metadata={"labels": labels}, status=status)


def _secret(name: str, namespace: str, **data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return object_of("v1", "Secret", name, namespace, data=encoded)


def _config(version: int | None = None, **settings: Any) -> dict[str, Any]:
    spec = {"enabled": True, "version": version, "settings": settings}
    return object_of("deckhouse.io/v1alpha1", "ModuleConfig", "metallb", spec=spec)


def _values(outputs: Outputs) -> dict[str, Any]:
    """Apply a patch to the module's real values, as strictly as the operator does."""
    module = load_module(ROOT)
    values = ModuleValues(module.key, module.schemas, {})
    values.patch(outputs.values_patch)
    found: dict[str, Any] = values.values()["metallb"]["internal"]
    return found


def _series(outputs: Outputs, name: str, **labels: str) -> list[dict[str, str]]:
    metrics = HookMetrics("metallb")
    metrics.apply("h", outputs.metrics)
    found = [dict(item.labels) for item in metrics.find(name, **labels)]
    return [{k: v for k, v in item.items() if k not in ("hook", "module")} for item in found]


def _made(outputs: Outputs, kind: str) -> list[dict[str, Any]]:
    found = [item["object"] for item in outputs.kubernetes if "object" in item]
    return [item for item in found if item["kind"] == kind]


# -- nodes ----------------------------------------------------------------------------------------


@of("node_membership")
@pytest.mark.parametrize("moment", ["beforeHelm", "Group"])
async def test_nodes_of_classes_are_labelled(hook: Run, moment: str) -> None:
    nodes = [_node("a", role="front"), _node("b", **{MEMBER: ""}), _node("c")]
    classes = [ours("MetalLoadBalancerClass", "x", nodeSelector={"role": "front"})]
    outputs = await hook.on(moment, nodes=nodes, classes=classes)
    labels = {
        item["name"]: item["mergePatch"]["metadata"]["labels"][MEMBER]
        for item in outputs.kubernetes
    }
    assert labels == {"a": "", "b": None}
    everywhere = await hook.on(moment, nodes=nodes, classes=[ours("MetalLoadBalancerClass", "x")])
    assert [item["name"] for item in everywhere.kubernetes] == ["a", "c"]


@of("node_membership")
async def test_a_node_that_reports_itself_alive_is_no_change(hook: Run) -> None:
    before = _node("a", role="front")
    after = {**before, "status": {"conditions": []}, "metadata": {**before["metadata"]}}
    after["metadata"]["resourceVersion"] = "2"
    first = await hook.snapshots(nodes=[before])
    assert await hook.snapshots(nodes=[after]) == first


@of("remove_node_labels")
async def test_labels_go_when_the_module_is_off(hook: Run) -> None:
    outputs = await hook.on("afterDeleteHelm", nodes=[_node("a", **{MEMBER: ""}), _node("b")])
    assert [item["name"] for item in outputs.kubernetes] == ["a"]


# -- what runs ------------------------------------------------------------------------------------


@of("discovery")
async def test_what_runs_is_found_out(hook: Run) -> None:
    empty = _values(await hook.on())
    assert (empty["l2Enabled"], empty["bgpEnabled"]) == (False, False)
    classes = [ours("MetalLoadBalancerClass", "x")]
    found = _values(await hook.on("Group", classes=classes))
    assert (found["l2Enabled"], found["bgpEnabled"]) == (True, False)
    assert found["speakerNodeSelectorTerms"] == [
        {"matchExpressions": [{"key": MEMBER, "operator": "Exists"}]}
    ]
    configuration = ours(
        "MetalLoadBalancerConfiguration", "c", mode="BGP", nodeSelector={"role": "edge"},
        bgp={"peerNames": ["tor"]},
    )  # fmt: skip
    source = {"nodeName": "n7", "address": "192.0.2.7"}
    both = _values(
        await hook.on(
            classes=classes,
            pools=[ours("MetalLoadBalancerPool", "p")],
            configurations=[configuration],
            peers=[ours("MetalLoadBalancerBGPPeer", "tor", sourceAddresses=[source])],
        )
    )
    assert (both["l2Enabled"], both["bgpEnabled"]) == (True, True)
    keys = [term["matchExpressions"][0]["key"] for term in both["speakerNodeSelectorTerms"]]
    assert sorted(keys) == ["kubernetes.io/hostname", MEMBER, "role"]


@of("discovery")
async def test_native_objects_count_too(hook: Run) -> None:
    selectors = [{"matchLabels": {"rack": "1"}}]
    peer = object_of("metallb.io/v1beta2", "BGPPeer", "p", "d8-metallb",
                     spec={"nodeSelectors": selectors})  # fmt: skip
    found = _values(await hook.on(native_peers=[peer]))
    assert found["bgpEnabled"]
    assert len(found["speakerNodeSelectorTerms"]) == 1


# -- the certificate ------------------------------------------------------------------------------


@of("webhook_certificate")
async def test_a_certificate_is_made_once_and_kept(hook: Run) -> None:
    hook.shared = {"discovery": {"clusterDomain": "example.local"}}
    first = _values(await hook.on())["webhookCert"]
    names = ["metallb-webhook.d8-metallb.svc.example.local", "127.0.0.1"]
    from metallb.domain.webhook_certificate import TlsPair

    pair = TlsPair(**first)
    assert is_good(pair, names, datetime.now(UTC) + timedelta(days=300))
    written = _secret(
        "metallb-webhook-tls", "d8-metallb",
        **{"ca.crt": pair.ca, "tls.crt": pair.crt, "tls.key": pair.key},
    )  # fmt: skip
    for moment in ("beforeHelm", "Group"):
        after_restart = _values(await hook.on(moment, secret=[written]))["webhookCert"]
        assert after_restart == first, "the Secret is believed"
    hook.values = {"internal": {"webhookCert": first}}
    assert (await hook.on("Group", secret=[])).values_patch == []
    assert (await hook.on("Group", secret=[written])).values_patch == []
    hook.shared = {"discovery": {"clusterDomain": "other.local"}}
    renewed = _values(await hook.on("Group", secret=[written]))["webhookCert"]
    assert renewed["crt"] != first["crt"]
    assert renewed["ca"].endswith(first["ca"])


# -- the heartbeat keys ---------------------------------------------------------------------------


@of("heartbeat_keys")
async def test_keys_are_made_once_the_namespace_is_there(hook: Run) -> None:
    assert (await hook.on("afterHelm")).kubernetes == []
    outputs = await hook.on("afterHelm", namespace=[NAMESPACE])
    [secret] = _made(outputs, "Secret")
    keys = base64.b64decode(secret["data"]["keys"]).decode().split()
    assert [len(bytes.fromhex(key)) for key in keys] == [32]
    assert outputs.values_patch == []
    going = object_of(
        "v1", "Namespace", "d8-metallb", metadata={"deletionTimestamp": "2026-11-26T00:00:00Z"}
    )
    assert (await hook.on("Group", namespace=[going])).kubernetes == []
    for moment in ("afterHelm", "Group"):
        again = await hook.on(moment, namespace=[NAMESPACE], secret=[secret])
        assert again.kubernetes == [], "as it was written"


@of("heartbeat_keys")
async def test_keys_change_in_their_time(hook: Run) -> None:
    [secret] = _made(await hook.on("afterHelm", namespace=[NAMESPACE]), "Secret")
    [key] = base64.b64decode(secret["data"]["keys"]).decode().split()
    seen = []
    for _ in range(3):
        since = (datetime.now(UTC) - timedelta(days=8)).strftime("%Y-%m-%dT%H:%M:%SZ")
        secret["metadata"]["annotations"]["network.deckhouse.io/heartbeat-keys-since"] = since
        hook.values = {"l2": {"heartbeatKeyRotationDays": 7}}
        [secret] = _made(await hook.on("Group", namespace=[NAMESPACE], secret=[secret]), "Secret")
        seen.append(base64.b64decode(secret["data"]["keys"]).decode().split())
    new = seen[0][1]
    assert seen == [[key, new], [new, key], [new]]


# -- passwords ------------------------------------------------------------------------------------


def _peer(name: str, **spec: Any) -> dict[str, Any]:
    return ours("MetalLoadBalancerBGPPeer", name, **spec)


REFERENCE = {"namespace": "net", "name": "tor"}


@of("bgp_passwords")
async def test_passwords_are_copied_and_never_printed(
    hook: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    objects: dict[str, Any] = {
        "peers": [_peer("a", passwordSecretRef=REFERENCE)],
        "secrets": [_secret("tor", "net", password="s3cret")],
        "namespace": [NAMESPACE],
    }
    outputs = await hook.on("afterHelm", **objects)
    [copy] = _made(outputs, "Secret")
    assert copy["metadata"]["name"] == "bgp-pwd-net-tor"
    assert base64.b64decode(copy["data"]["password"]) == b"s3cret"
    assert outputs.values_patch == []
    assert "bgp-pwd-net-tor" in caplog.text
    assert "s3cret" not in caplog.text
    assert copy["data"]["password"] not in caplog.text
    assert (await hook.on("Group", **objects, copies=[copy])).kubernetes == []
    objects["peers"] = []
    [gone] = (await hook.on("Group", **objects, copies=[copy])).kubernetes
    assert (gone["operation"], gone["name"]) == ("DeleteInBackground", "bgp-pwd-net-tor")


@of("bgp_passwords")
async def test_only_a_secret_of_the_type_is_copied_for_a_peer_of_metallbs(hook: Run) -> None:
    namespace = "metallb-system"
    peer = object_of(
        "metallb.io/v1beta2", "BGPPeer", "tor", namespace, spec={"passwordSecret": {"name": "tor"}}
    )
    made = []
    for kind in ("Opaque", "kubernetes.io/basic-auth"):
        secret = {**_secret("tor", namespace, password="s3cret"), "type": kind}
        outputs = await hook.on(
            "Group", native_peers=[peer], native_secrets=[secret], namespace=[NAMESPACE]
        )
        made.append([item["metadata"]["name"] for item in _made(outputs, "Secret")])
    assert made == [[], ["bgp-pwd-metallb-system-tor"]]


@of("bgp_references")
async def test_what_is_missing_is_told_on_the_object(hook: Run) -> None:
    objects: dict[str, Any] = {
        "peers": [_peer("a", passwordSecretRef=REFERENCE)],
        "configurations": [
            ours("MetalLoadBalancerConfiguration", "c", bgp={"peerNames": ["a", "b"]},
                 advertisements=[{"poolNames": ["p"]}])
        ],
        "pools": [ours("MetalLoadBalancerPool", "p", addresses=["192.0.2.0/24"])],
    }  # fmt: skip
    outputs = await hook.on("Group", **objects)
    conditions = {
        item["name"]: item["mergePatch"]["status"]["conditions"][0]["reason"]
        for item in outputs.kubernetes
        if item.get("subresource") == "status"
    }
    assert conditions == {"a": "PasswordSecretNotFound", "c": "UnknownPeer", "p": "AllRight"}
    assert {item["reason"] for item in _made(outputs, "Event")} == {
        "PasswordSecretNotFound",
        "UnknownPeer",
    }
    assert len(_series(outputs, "d8_metallb_configuration_problem")) == 2
    secret = _secret("tor", "net", password="s3cret")
    snapshots = await hook.snapshots(secrets=[secret])
    assert "s3cret" not in json.dumps(snapshots)
    assert snapshots["secrets"][0]["filterResult"]["data"] == {"password": True}
    found = await hook.on("Group", **objects, secrets=[secret])
    assert len(_series(found, "d8_metallb_configuration_problem")) == 1


@of("bgp_references")
async def test_a_secret_of_metallbs_peer_is_judged_and_its_password_is_not_seen(hook: Run) -> None:
    namespace = "d8-metallb"
    peer = object_of(
        "metallb.io/v1beta2", "BGPPeer", "tor", namespace, spec={"passwordSecret": {"name": "tor"}}
    )
    secret = _secret("tor", namespace, password="s3cret")
    reasons = []
    for kind in (None, "Opaque", "kubernetes.io/basic-auth"):
        secrets = [] if kind is None else [{**secret, "type": kind}]
        snapshots = await hook.snapshots(own_secrets=secrets)
        assert "s3cret" not in json.dumps(snapshots)
        outputs = await hook.on("Group", native_peers=[peer], own_secrets=secrets)
        [patch] = [item for item in outputs.kubernetes if item.get("subresource") == "status"]
        assert (patch["kind"], patch["namespace"]) == ("BGPPeer", namespace)
        reasons.append(patch["mergePatch"]["status"]["conditions"][0]["reason"])
    assert reasons == ["PasswordSecretNotFound", "PasswordSecretWrongType", "AllRight"]


# -- settings -------------------------------------------------------------------------------------


@of("validate_configuration")
async def test_contradictions_are_reported(hook: Run) -> None:
    objects: dict[str, Any] = {
        "module_config": [_config(3, loadBalancerClass="front")],
        "classes": [ours("MetalLoadBalancerClass", "front")],
    }
    outputs = await hook.on("Group", **objects)
    [series] = _series(outputs, "d8_metallb_configuration_problem")
    assert (series["path"], series["reason"]) == (
        ".spec.settings.loadBalancerClass",
        "LoadBalancerClassTaken",
    )
    [event] = _made(outputs, "Event")
    assert event["involvedObject"]["kind"] == "ModuleConfig"
    taint = {"key": "gpu", "effect": "NoSchedule"}
    tainted = object_of("v1", "Node", "n1", spec={"taints": [taint]})
    outputs = await hook.on("Group", **objects, nodes=[tainted])
    assert len(_series(outputs, "d8_metallb_configuration_problem")) == 2


@of("validate_configuration")
async def test_settings_that_the_schema_refuses_are_reported(hook: Run) -> None:
    outputs = await hook.on("Group", module_config=[_config(3, logLevel="Loud", colour="red")])
    paths = [item["path"] for item in _series(outputs, "d8_metallb_configuration_problem")]
    assert paths == [".spec.settings", ".spec.settings.logLevel"]
    for examples in ({}, {"logLevel": "Debug", "l2": {"holdDownSeconds": 5}}):
        fine = await hook.on("Group", module_config=[_config(3, **examples)])
        assert _series(fine, "d8_metallb_configuration_problem") == []


@of("validate_configuration")
async def test_passwords_of_old_settings_are_not_seen(hook: Run) -> None:
    peer = {"peer-address": 7, "peer-asn": 1, "my-asn": 1, "password": "s3cret"}
    config = _config(2, bgpPeers=[peer])
    assert "s3cret" not in json.dumps(await hook.snapshots(module_config=[config]))
    outputs = await hook.on("Group", module_config=[config])
    assert len(_series(outputs, "d8_metallb_configuration_problem")) == 1
    assert len(_series(outputs, "d8_metallb_update_mc_version_required")) == 1


# -- migrations -----------------------------------------------------------------------------------


@of("migrate_bgp_settings")
async def test_bgp_settings_become_objects(hook: Run) -> None:
    config = _config(
        2,
        addressPools=[{"name": "edge", "protocol": "bgp", "addresses": ["192.0.2.0/24"]}],
        bgpPeers=[{"peer-address": "192.0.2.1", "peer-asn": 1, "my-asn": 2, "password": "s3cret"}],
        speaker={"nodeSelector": {"role": "front"}},
    )
    for moment in ("beforeHelm", "Group"):
        outputs = await hook.on(moment, module_config=[config])
        kinds = [item["object"]["kind"] for item in outputs.kubernetes]
        assert kinds == [
            "Secret",
            "MetalLoadBalancerPool",
            "MetalLoadBalancerBGPPeer",
            "MetalLoadBalancerConfiguration",
        ]
    made = {item["object"]["kind"]: item["object"] for item in outputs.kubernetes}
    again = await hook.on(
        "Group",
        module_config=[config],
        secrets=[made["Secret"]],
        pools=[made["MetalLoadBalancerPool"]],
        peers=[made["MetalLoadBalancerBGPPeer"]],
        configurations=[made["MetalLoadBalancerConfiguration"]],
    )
    assert again.kubernetes == []
    raised = _config(3, **config["spec"]["settings"])
    assert (await hook.on(module_config=[raised])).kubernetes == []


@of("migrate_layer2_pools")
async def test_l2_pools_become_a_class_and_services_stay_where_they_are(hook: Run) -> None:
    config = _config(
        1,
        addressPools=[{"name": "a", "protocol": "layer2", "addresses": ["10.0.0.0/24"]}],
        speaker={"nodeSelector": {"role": "front"}},
    )
    services = [
        service_object("web", ingress=("10.0.0.7",), externalTrafficPolicy="Local"),
        service_object("internal", type="ClusterIP"),
    ]
    outputs = await hook.on(module_config=[config], services=services)
    [made] = _made(outputs, "MetalLoadBalancerClass")
    assert made["spec"]["addressPool"] == ["10.0.0.0/24"]
    [entry] = _made(outputs, "VirtualIP")
    assert entry["spec"]["trafficPolicy"] == "Local"
    assert outputs.kubernetes[-1]["mergePatch"]["status"]["conditions"][0]["message"] == (
        "l2-default"
    )
    services[0]["status"]["conditions"] = [bound_condition("l2-default")]
    again = await hook.on(
        module_config=[config], services=services, classes=[made], virtual_ips=[entry]
    )
    assert again.kubernetes == []


@of("migrate_layer2_pools")
async def test_native_objects_made_by_hand_become_a_class(hook: Run) -> None:
    def native(kind: str, name: str, generated: bool, **spec: Any) -> dict[str, Any]:
        labels = {"heritage": "deckhouse"} if generated else {}
        return object_of(
            "metallb.io/v1beta1", kind, name, "d8-metallb", metadata={"labels": labels}, spec=spec
        )

    outputs = await hook.on(
        module_config=[_config(1, addressPools=[])],
        native_pools=[
            native("IPAddressPool", "hand", False, addresses=["10.1.0.0/24"]),
            native("IPAddressPool", "module", True, addresses=["10.2.0.0/24"]),
        ],
        native_advertisements=[
            native("L2Advertisement", "hand", False, ipAddressPools=["hand", "module"]),
            native("L2Advertisement", "module", True, ipAddressPools=["hand"]),
        ],
    )
    [made] = _made(outputs, "MetalLoadBalancerClass")
    assert made["metadata"]["name"] == "autogenerated-hand"
    assert made["spec"]["addressPool"] == ["10.1.0.0/24"]


@of("adopt_addresses")
async def test_running_addresses_are_entered_before_the_release(hook: Run) -> None:
    services = [
        service_object("web", ingress=("10.0.0.7",), conditions=(bound_condition("front"),)),
        service_object("bgp", ingress=("192.0.2.1",)),
    ]
    objects: dict[str, Any] = {
        "services": services,
        "classes": [ours("MetalLoadBalancerClass", "front")],
    }
    assert (await hook.on(**objects)).kubernetes == []
    outputs = await hook.on(**objects, old_kind=[OLD_KIND])
    [entry] = _made(outputs, "VirtualIP")
    assert entry["spec"] == {
        "address": "10.0.0.7",
        "pool": "front",
        "services": [{"namespace": "default", "name": "web"}],
        "trafficPolicy": "Cluster",
        "layer2": {"nodes": []},
    }
    again = await hook.on(**objects, old_kind=[OLD_KIND], virtual_ips=[entry])
    assert again.kubernetes == []


LATE = service_object(
    "late", count="2", ingress=("10.0.0.7",), conditions=(bound_condition("front"),)
)
LATE_CHILDREN = ["default/late-front-0", "default/late-front-1"]


def _finalizers(outputs: Outputs) -> dict[str, Any]:
    assert {item["operation"] for item in outputs.kubernetes} == {"MergePatch"}
    assert {item["kind"] for item in outputs.kubernetes} == {"SDNInternalL2LBService"}
    assert all(item["ignoreMissingObject"] for item in outputs.kubernetes)
    return {
        f"{item['namespace']}/{item['name']}": item["mergePatch"]["metadata"]["finalizers"]
        for item in outputs.kubernetes
    }


@of("hold_children")
async def test_children_are_held_before_the_release(hook: Run) -> None:
    assert list(hook.hook.config.moments) == ["beforeHelm"]
    assert (await hook.on(services=[LATE])).kubernetes == []
    outputs = await hook.on(services=[LATE], old_kind=[OLD_KIND])
    assert _finalizers(outputs) == {name: [FINALIZER] for name in LATE_CHILDREN}
    meta = {**OLD_KIND["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    going = {**OLD_KIND, "metadata": meta}
    assert (await hook.on(services=[LATE], old_kind=[going])).kubernetes == []


@of("release_children")
async def test_children_are_let_go_when_the_module_is_disabled(hook: Run) -> None:
    assert list(hook.hook.config.moments) == ["afterDeleteHelm"]
    outputs = await hook.on("afterDeleteHelm", services=[LATE], old_kind=[OLD_KIND])
    assert _finalizers(outputs) == dict.fromkeys(LATE_CHILDREN)


@of("remove_old_kind")
async def test_the_old_kind_goes_after_the_release(hook: Run) -> None:
    assert list(hook.hook.config.moments) == ["afterHelm"]
    [operation] = (await hook.on("afterHelm", old_kind=[OLD_KIND])).kubernetes
    assert (operation["operation"], operation["name"]) == (
        "DeleteInBackground",
        "sdninternall2lbservices.internal.network.deckhouse.io",
    )


@of("remove_dead_kind")
async def test_the_dead_kind_goes_at_the_start(hook: Run) -> None:
    [operation] = (await hook([{"binding": "onStartup"}])).kubernetes
    assert operation["name"] == "addresspools.metallb.io"


# -- Services -------------------------------------------------------------------------------------


@of("alert_on_services")
async def test_services_are_told_of_by_metrics(hook: Run) -> None:
    def service(name: str, *annotations: str, **more: Any) -> dict[str, Any]:
        found = service_object(name, **more)
        found["metadata"]["annotations"] |= dict.fromkeys(annotations, "x")
        return found

    services = [
        service(
            "odd",
            "metallb.universe.tf/address-pool",
            "mine/own",
            conditions=(bound_condition("front"),),
        ),
        service("of-pools", "metallb.universe.tf/address-pool"),
        service("internal", "metallb.universe.tf/address-pool", type="ClusterIP"),
        service("lost", conditions=(bound_condition("gone"),)),
        service("kept", conditions=(bound_condition("front"),)),
        service("unknown", conditions=(bound_condition("x", "LoadBalancerClassUnknown"),)),
    ]
    classes = [ours("MetalLoadBalancerClass", "front")]
    outputs = await hook.on("Group", services=services, classes=classes)
    name = "d8_metallb_not_supported_service_annotations_detected"
    assert _series(outputs, name) == [
        {
            "name": "odd",
            "namespace": "default",
            "annotation": "metallb.universe.tf/address-pool",
        }
    ]
    assert _series(outputs, "d8_l2_load_balancer_orphan_service") == [
        {"name": "lost", "namespace": "default"}
    ]
    assert outputs.kubernetes == []

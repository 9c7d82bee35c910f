"""Where the API server is told how to call the webhook: the patches that are missing.

The ValidatingWebhookConfiguration comes from the chart; where the controller makes its certificate
itself, the chart does not know the bundle of authorities, and it is written in here. The CRD of
BGPPeer is installed without conversion, so that its versions differ by name alone and nothing
breaks without us; a controller that serves `/convert` makes itself known there, on every platform.
A conversion that somebody else does (a MetalLB that is still there) is left alone, and so is a
webhook that is not ours.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from metallb.api.fields import Fields
from metallb.domain.webhook_certificate import SERVICE

if TYPE_CHECKING:
    from metallb.api.fields import JsonObject

CONFIGURATION = "metallb"
"""Name of the ValidatingWebhookConfiguration: that of the chart."""
CONVERTED = "bgppeers.metallb.io"
"""Name of the CRD whose versions we convert."""
CONVERSION_PATH = "/convert"

_OLD_VERSION = "v1beta1"


def bundle_patch(
    configuration: JsonObject, namespace: str, bundle: str
) -> list[dict[str, Any]] | None:
    """Give the JSON patch by which our webhooks trust a bundle (PEM); None: they do."""
    wanted = encoded(bundle)
    patch: list[dict[str, Any]] = []
    for index, hook in enumerate(Fields(configuration).children("webhooks")):
        client = hook.child("clientConfig")
        if not _is_ours(client, namespace) or client.value.get("caBundle") == wanted:
            continue
        path = f"/webhooks/{index}"
        patch += [
            {"op": "test", "path": f"{path}/name", "value": hook.value.get("name")},
            {"op": "add", "path": f"{path}/clientConfig/caBundle", "value": wanted},
        ]
    return patch or None


def conversion_patch(definition: JsonObject, namespace: str, bundle: str) -> dict[str, Any] | None:
    """Give the merge patch by which a CRD's versions are converted by us; None: there is nothing to
    do, or it is not ours to do.
    """
    spec = Fields(definition).child("spec")
    served = {item.text("name") for item in spec.children("versions") if item.boolean("served")}
    present = spec.child("conversion")
    client = present.child("webhook").child("clientConfig")
    strategy = present.text("strategy", "None")
    if _OLD_VERSION not in served or not (strategy == "None" or _is_ours(client, namespace)):
        return None
    service = {"name": SERVICE, "namespace": namespace, "path": CONVERSION_PATH, "port": 443}
    wanted = {
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": {"caBundle": encoded(bundle), "service": service},
            "conversionReviewVersions": ["v1"],
        },
    }
    if present.value == wanted:
        return None
    version = Fields(definition).child("metadata").text("resourceVersion")
    return {"metadata": {"resourceVersion": version}, "spec": {"conversion": wanted}}


def encoded(bundle: str) -> str:
    """Give a bundle as `caBundle` has it."""
    return base64.b64encode(bundle.encode()).decode()


def _is_ours(client: Fields, namespace: str) -> bool:
    service = client.child("service")
    return (service.text("name"), service.text("namespace")) == (SERVICE, namespace)

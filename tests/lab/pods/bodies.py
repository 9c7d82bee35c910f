"""Pods as the API server gives them to a node."""

from __future__ import annotations

from typing import Any

DIGEST = f"sha256:{'a' * 64}"
IMAGE = f"registry.example.com/metallb@{DIGEST}"


def pod(spec: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """A pod with one container; `spec` and `container` are laid over what every pod has."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "speaker-x",
            "namespace": "d8-metallb",
            "uid": "0f0e",
            "labels": {"app": "speaker"},
        },
        "spec": {
            "nodeName": "n1",
            "serviceAccountName": "speaker",
            "serviceAccount": "speaker",
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": "main",
                    "image": IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    **container,
                }
            ],
            **(spec or {}),
        },
        "status": {"phase": "Pending", "podIP": "10.244.1.2", "hostIP": "10.10.0.11"},
    }

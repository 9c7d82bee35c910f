"""The rules of a node (nftables), by kube-proxy or by the lab: which pods they lead to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metallb_lab import netns

if TYPE_CHECKING:
    from metallb_lab.topology import Pod


def of(namespace: str) -> str:
    """Give the rules of a node, without the chains of single endpoints."""
    found = netns.run("ip", "netns", "exec", namespace, "nft", "list", "ruleset")
    return re.sub(r"chain endpoint-[^{]*\{[^}]*\}", "", found)


def named(text: str, pod: Pod) -> set[str]:
    """Give the addresses of a pod that rules name; kube-proxy writes dots for colons in names."""
    dotted = pod.ipv6.replace(":", ".")
    forms = (
        (pod.ipv4, pod.ipv4, "0-9."),
        (pod.ipv6, pod.ipv6, "0-9a-f:"),
        (dotted, pod.ipv6, "0-9a-f."),
    )
    return {
        address
        for form, address, more in forms
        if re.search(rf"(?<![0-9a-f.:]){re.escape(form)}(?![{more}])", text)
    }

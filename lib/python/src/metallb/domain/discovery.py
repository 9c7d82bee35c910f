"""What must run, and on which nodes: from the objects that users made to the values of the chart.

L2 is on when there is a class or an L2Advertisement, BGP when there is a MetalLoadBalancerPool or
something of metallb.io that speaks BGP. Speakers run on the nodes of which one of these holds
(terms are ORed):

* there is a class, and the node is a member (`metallb.domain.membership`);
* an L2Advertisement, a MetalLoadBalancerConfiguration or a BGPPeer selects it; one without a
  selector selects all, and so does one with a selector that no API server would take in a
  DaemonSet;
* a peer of a configuration has a source address on it.

No term at all means every node: so it is when BGP is on and nothing says where.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from metallb.api.label_syntax import is_label_key, is_label_value
from metallb.domain.decisions import Decision
from metallb.domain.membership import MEMBER_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metallb.api.fields import Fields
    from metallb.domain.decisions import Situation

HOSTNAME_LABEL = "kubernetes.io/hostname"

Requirement = dict[str, Any]
Term = dict[str, Any]

EVERY_NODE: Term = {}


def discovery(situation: Situation) -> Decision:
    """Find out what must run where.

    Snapshots: `classes`, `pools`, `advertisements` (only whether there are any), `configurations`
    with `mode`, `nodeSelector` and `peerNames`, `peers` with `name` and `sourceAddresses`,
    `native-peers` and `layer2-advertisements` with `nodeSelectors`.
    """
    has_classes = bool(situation.snapshot("classes"))
    advertisements = situation.snapshot("layer2-advertisements")
    is_bgp = any(situation.snapshot(name) for name in ("pools", "advertisements", "native-peers"))
    terms = _bgp_terms(situation) if is_bgp else []
    terms += [term for item in advertisements for term in _native_terms(item)]
    if has_classes:
        terms.append(_term([{"key": MEMBER_LABEL, "operator": "Exists"}]))
    return Decision(
        values={
            "internal.l2Enabled": has_classes or bool(advertisements),
            "internal.bgpEnabled": is_bgp,
            "internal.speakerNodeSelectorTerms": [] if EVERY_NODE in terms else _distinct(terms),
        }
    )


def _bgp_terms(situation: Situation) -> list[Term]:
    configurations = [
        item for item in situation.snapshot("configurations") if item.text("mode", "BGP") == "BGP"
    ]
    selected = [
        *(_term(_labels(item.mapping("nodeSelector"))) for item in configurations),
        *(term for item in situation.snapshot("native-peers") for term in _native_terms(item)),
    ]
    return [*(selected or [EVERY_NODE]), *_source_terms(configurations, situation)]


def _labels(labels: dict[str, str]) -> list[Requirement]:
    return [
        {"key": key, "operator": "In", "values": [value]} for key, value in sorted(labels.items())
    ]


def _native_terms(native: Fields) -> Iterator[Term]:
    """Give the terms of `nodeSelectors` of a BGPPeer or an L2Advertisement."""
    selectors = native.children("nodeSelectors")
    if not selectors:
        yield EVERY_NODE
    for selector in selectors:
        expressions = selector.children("matchExpressions")
        yield _term([*_labels(selector.mapping("matchLabels")), *map(_requirement, expressions)])


def _requirement(fields: Fields) -> Requirement:
    found: Requirement = {"key": fields.text("key"), "operator": fields.text("operator")}
    values = sorted(set(fields.texts("values")))
    return found | {"values": values} if values else found


def _source_terms(configurations: Sequence[Fields], situation: Situation) -> list[Term]:
    used = {name for item in configurations for name in item.texts("peerNames")}
    nodes = {
        address.text("nodeName")
        for peer in situation.snapshot("peers")
        if peer.text("name") in used
        for address in peer.children("sourceAddresses")
    }
    return [_term(_labels({HOSTNAME_LABEL: node})) for node in sorted(nodes - {""})]


def _term(requirements: list[Requirement]) -> Term:
    if not requirements or not all(map(_is_valid, requirements)):
        return EVERY_NODE
    return {"matchExpressions": requirements}


def _is_valid(requirement: Requirement) -> bool:
    values = requirement.get("values", [])
    wants_values = {"In": True, "NotIn": True, "Exists": False, "DoesNotExist": False}
    return (
        wants_values.get(requirement["operator"]) is bool(values)
        and is_label_key(requirement["key"])
        and all(map(is_label_value, values))
    )


def _distinct(terms: Sequence[Term]) -> list[Term]:
    texts = {json.dumps(term, sort_keys=True) for term in terms}
    return [json.loads(text) for text in sorted(texts)]

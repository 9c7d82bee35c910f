from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from metallb_lab.operator.crds import CRDS, ensure_crds
from metallb_lab.operator.platform import MODULE_CONFIG_CRD

if TYPE_CHECKING:
    from metallb.kube.client import ApiClient

NAME = "moduleconfigs.deckhouse.io"


async def test_crds_are_made_labelled_and_waited_for(client: ApiClient) -> None:
    await ensure_crds(client, [MODULE_CONFIG_CRD])
    found = await client.get(CRDS, NAME)
    assert found["metadata"]["labels"] == {"heritage": "deckhouse"}
    await client.request("GET", "/apis/deckhouse.io/v1alpha1/moduleconfigs")


async def test_a_second_time_changes_nothing(client: ApiClient) -> None:
    await ensure_crds(client, [MODULE_CONFIG_CRD])
    before = (await client.get(CRDS, NAME))["metadata"]["resourceVersion"]
    await ensure_crds(client, [MODULE_CONFIG_CRD])
    assert (await client.get(CRDS, NAME))["metadata"]["resourceVersion"] == before


async def test_a_changed_crd_is_changed_and_labels_of_others_stay(client: ApiClient) -> None:
    await ensure_crds(client, [MODULE_CONFIG_CRD])
    await client.patch(CRDS, NAME, {"metadata": {"labels": {"other": "x", "heritage": None}}})
    changed = copy.deepcopy(MODULE_CONFIG_CRD)
    changed["spec"]["names"]["shortNames"] = ["mc", "mcfg"]
    await ensure_crds(client, [changed])
    found = await client.get(CRDS, NAME)
    assert found["spec"]["names"]["shortNames"] == ["mc", "mcfg"]
    assert found["metadata"]["labels"] == {"heritage": "deckhouse", "other": "x"}

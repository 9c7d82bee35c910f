"""Services: the strategy that puts defaults, allocation and validation together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metallb_lab.apiserver import metadata
from metallb_lab.apiserver.kinds import service_validation as validation
from metallb_lab.apiserver.kinds.allocators import Claim
from metallb_lab.apiserver.kinds.service_defaults import (
    drop_type_dependent,
    hide_internal_policy,
    normalize_cluster_ips,
    patch_allocated_values,
    set_defaults,
)
from metallb_lab.apiserver.resources import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metallb_lab.apiserver.documents import Document
    from metallb_lab.apiserver.errors import FieldError
    from metallb_lab.apiserver.kinds.service_allocation import ServiceAllocation


class ServiceStrategy(Strategy):
    """``v1`` Services, with the pools of this server."""

    create_on_update = True
    returns_deleted = True
    has_status = True
    selectable = ("spec.clusterIP", "spec.type")

    def __init__(self, allocation: ServiceAllocation) -> None:
        super().__init__("", "v1", "Service")
        self._allocation = allocation

    def name_fault(self, name: str) -> str | None:
        """A DNS label that starts with a letter."""
        return metadata.label_1035(name)

    def default(self, obj: Document) -> None:
        """``SetDefaults_Service``."""
        set_defaults(obj)

    def prepare_create(self, new: Document) -> None:
        """A new Service has no status."""
        new["status"] = {"loadBalancer": {}}
        hide_internal_policy(new["spec"])

    def prepare_update(self, new: Document, old: Document) -> None:
        """The status stays, except where the type no longer has one."""
        metadata.keep(new, old, "status")
        drop_type_dependent(new, old)
        hide_internal_policy(new["spec"])

    def begin(self, new: Document, old: Document | None) -> Claim:
        """Families, addresses and ports."""
        claim = Claim()
        try:
            if old is None:
                normalize_cluster_ips(new["spec"], None)
                self._allocation.create(new, claim)
            else:
                patch_allocated_values(new["spec"], old["spec"])
                normalize_cluster_ips(new["spec"], old["spec"])
                self._allocation.update(new, old, claim)
        except BaseException:
            claim.revert()
            raise
        return claim

    def deleted(self, obj: Document) -> None:
        """Gives addresses and ports back."""
        self._allocation.release(obj)

    def validate(self, new: Document, old: Document | None) -> list[FieldError]:
        """``ValidateServiceCreate`` and ``ValidateServiceUpdate``."""
        if old is None:
            return validation.validate(new)
        return validation.validate_update(new, old)

    def validate_status(self, new: Document, old: Document) -> list[FieldError]:
        """``ValidateServiceStatusUpdate``."""
        return validation.validate_status(new)

    def warnings(self, new: Document, old: Document | None) -> Iterable[str]:
        """``GetWarningsForService``."""
        return validation.warnings(new)

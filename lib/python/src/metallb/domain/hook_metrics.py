"""Names of the metrics that hooks give, and of the groups in which they replace each other.

Those of Deckhouse's module keep their names, so that alerts and boards made for it go on working.
"""

from __future__ import annotations

from enum import StrEnum


class HookMetric(StrEnum):
    """Every metric of the hooks; each is 1 while what it tells is so."""

    PROBLEM = "d8_metallb_configuration_problem"
    """Something that a user wrote is wrong; labels kind, namespace, name, path, reason."""
    UNSUPPORTED_ANNOTATION = "d8_metallb_not_supported_service_annotations_detected"
    """A Service has an annotation that does nothing; labels name, namespace, annotation."""
    ORPHAN_SERVICE = "d8_l2_load_balancer_orphan_service"
    """A Service is bound to a class that is gone; labels name, namespace."""
    VERSION_REQUIRED = "d8_metallb_update_mc_version_required"
    """The ModuleConfig's version is older than the current one, and migrations go on."""
    OBSOLETE_POOL = "d8_metallb_obsolete_layer2_pools_are_used"
    """An address pool in the settings does nothing; label name."""
    OBSOLETE_SETTING = "d8_metallb_obsolete_settings"
    """A setting that does nothing any more is still there; label setting."""


class MetricGroup(StrEnum):
    """Series of a group stand until the hook that gives them decides again."""

    CONFIGURATION = "D8MetallbConfiguration"
    BGP_OBJECTS = "D8MetallbBGPObjects"
    MIGRATION_BGP = "D8MetallbMigrationBGP"
    MIGRATION_LAYER2 = "D8MetallbMigrationLayer2"
    ADOPTION = "D8MetallbAdoption"
    UNSUPPORTED_ANNOTATIONS = "D8MetallbNotSupportedServiceAnnotationsDetected"
    ORPHAN_SERVICES = "L2LoadBalancerOrphanServiceFound"
    VERSION_REQUIRED = "D8MetallbUpdateMCVersionRequired"
    OBSOLETE_POOLS = "D8MetallbObsoleteLayer2PoolsAreUsed"
    OBSOLETE_SETTINGS = "D8MetallbObsoleteSettings"

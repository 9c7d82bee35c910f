"""The environment and the words of a container: the downward API, keys of ConfigMaps and Secrets,
and references to other variables.

`$(NAME)` is the value of a variable that stands before it, `$$` is `$`, and a reference to what is
not there stays as it is written, as Kubernetes has it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from metallb_lab.pods.errors import NotYetError, UnsupportedError
from metallb_lab.pods.model import FieldRef, KeyRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metallb_lab.pods.model import Variable

API_SERVICE = "KUBERNETES"
_REFERENCE = re.compile(r"\$(?:\$|\(([^()$]*)\))")
_ANY_POD: Mapping[str, Any] = {
    "metadata": {"name": "", "namespace": "", "uid": ""},
    "spec": {},
}
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


def environment_of(
    variables: Iterable[Variable],
    pod: Mapping[str, Any],
    data: Mapping[tuple[str, str], Mapping[str, bytes] | None],
    beneath: Mapping[str, str],
) -> dict[str, str]:
    """Give a container's environment over what is beneath it (its image's, the API server's).

    Raises NotYetError for what is not there, and UnsupportedError.
    """
    found = dict(beneath)
    for variable in variables:
        source = variable.source
        if isinstance(source, str):
            found[variable.name] = expand(source, found)
        elif isinstance(source, FieldRef):
            found[variable.name] = field_of(pod, source.path)
        elif (text := _key(source, data)) is not None:
            found[variable.name] = text
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace references to variables."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else variables.get(name, match[0])

    return _REFERENCE.sub(value, text)


def field_of(pod: Mapping[str, Any], path: str) -> str:
    """Give a field of a pod as the downward API does; raises UnsupportedError."""
    meta, status = pod["metadata"], pod.get("status") or {}
    if found := _SUBSCRIPT.fullmatch(path):
        return str((meta.get(found[1]) or {}).get(found[2], ""))
    plain = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": _listed(status.get("hostIPs")),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": _listed(status.get("podIPs")),
    }
    if path not in plain:
        raise UnsupportedError(f"fieldPath {path!r}: the agent does not know this field")
    return str(plain[path])


def is_known(path: str) -> bool:
    """Tell whether the downward API has a field here."""
    try:
        field_of(_ANY_POD, path)
    except UnsupportedError:
        return False
    return True


def _listed(addresses: list[dict[str, str]] | None) -> str:
    return ",".join(item["ip"] for item in addresses or [])


def _key(ref: KeyRef, data: Mapping[tuple[str, str], Mapping[str, bytes] | None]) -> str | None:
    found = data.get((ref.kind, ref.name))
    if found is not None and ref.key in found:
        return found[ref.key].decode()
    if ref.is_optional:
        return None
    what = f"{ref.kind} {ref.name} has no key {ref.key}" if found else f"no {ref.kind} {ref.name}"
    raise NotYetError("CreateContainerConfigError", what)


def api_server_variables(host: str, port: int) -> dict[str, str]:
    """Give what a kubelet tells every container of the Service `kubernetes`."""
    url = f"tcp://{host}:{port}"
    return {
        f"{API_SERVICE}_SERVICE_HOST": host,
        f"{API_SERVICE}_SERVICE_PORT": str(port),
        f"{API_SERVICE}_SERVICE_PORT_HTTPS": str(port),
        f"{API_SERVICE}_PORT": url,
        f"{API_SERVICE}_PORT_{port}_TCP": url,
        f"{API_SERVICE}_PORT_{port}_TCP_PROTO": "tcp",
        f"{API_SERVICE}_PORT_{port}_TCP_PORT": str(port),
        f"{API_SERVICE}_PORT_{port}_TCP_ADDR": host,
    }

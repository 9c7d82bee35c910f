"""How the bare clients find the API server, and how they watch it.

The kubeconfig is one that the lab wrote. It has one cluster, its authority in the file, and a token
(`metallb_lab.realserver.kubeconfig`). Reading just that takes a millisecond where the official
package takes a second of processor time.
"""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import yaml

from metallb.kube.config import Connection
from metallb_lab.bench.conversation import say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from metallb.kube.client import ApiClient, JsonObject, Resource

WATCH_SECONDS = 3600


def read_connection(path: str) -> Connection:
    """Read a kubeconfig of the lab."""
    config = yaml.safe_load(Path(path).read_text())
    cluster = config["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    header = f"Bearer {config['users'][0]['user']['token']}"
    context = ssl.create_default_context(cadata=authority)
    return Connection(cluster["server"], context, lambda: header)


async def events(client: ApiClient, resource: Resource) -> AsyncIterator[tuple[str, JsonObject]]:
    """Watch a kind from now on; says when the watch is open."""
    version = ""
    async for page in client.list_pages(resource):
        version = page.resource_version
    say(watching=True)
    async for line in client.watch_lines(
        resource,
        timeout_seconds=WATCH_SECONDS,
        stall_seconds=WATCH_SECONDS,
        resourceVersion=version,
    ):
        event = orjson.loads(line)
        yield event["type"], event["object"]

"""Web servers as pods: a Deployment that any image with our Python can run.

Each answers HTTP on port 8080 with who it is and who asked, as `metallb_lab.backends` does, and
echoes UDP there. It is handed to the interpreter as text, so that no image has to be made for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metallb_lab import backends

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metallb.kube.client import JsonObject

PYTHON = "/opt/metallb/bin/python3"
SCRIPT = """
import asyncio, json, os, signal, socket

NAME, NODE, PORT = os.environ["POD_NAME"], os.environ["NODE_NAME"], int(os.environ["PORT"])

async def answer(reader, writer):
    peer = writer.get_extra_info("peername")[0].removeprefix("::ffff:")
    try:
        while line := await reader.readline():
            keep = line.endswith(b"HTTP/1.1\\r\\n")
            while (header := await reader.readline()) not in (b"\\r\\n", b""):
                keep = keep and not header.lower().startswith(b"connection: close")
            body = json.dumps({"pod": NAME, "node": NODE, "client": peer}).encode() + b"\\n"
            word = b"keep-alive" if keep else b"close"
            head = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nConnection: " + word
            writer.write(head + b"\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
            await writer.drain()
            if not keep:
                break
    except OSError:
        pass
    finally:
        writer.close()

class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, address):
        self.transport.sendto(data + b" " + NAME.encode(), address)

async def main():
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    tcp = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
    await asyncio.start_server(answer, sock=tcp, backlog=1024)
    for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        udp.setblocking(False)
        udp.bind((anywhere, PORT))
        await loop.create_datagram_endpoint(Echo, sock=udp)
    await over.wait()

asyncio.run(main())
"""


def field(path: str) -> JsonObject:
    """Take a variable from a field of the pod."""
    return {"fieldRef": {"fieldPath": path}}


def container(image: str, script: str = SCRIPT, **more: Any) -> JsonObject:
    """Make a container that runs a script under our Python."""
    variables = {"POD_NAME": field("metadata.name"), "NODE_NAME": field("spec.nodeName")}
    return {
        "name": "web",
        "image": image,
        "command": [PYTHON, "-I", "-c", script],
        "env": [
            *({"name": name, "valueFrom": source} for name, source in variables.items()),
            {"name": "PORT", "value": str(backends.PORT)},
        ],
        "ports": [{"name": "http", "containerPort": backends.PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        "securityContext": {
            "runAsUser": 64535,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        **more,
    }


def deployment(
    name: str, image: str, replicas: int, labels: Mapping[str, str] | None = None
) -> JsonObject:
    """Make the Deployment; its pods spread over the nodes."""
    chosen = dict(labels or {"app": name})
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": chosen},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": chosen},
            "template": {
                "metadata": {"labels": chosen},
                "spec": {
                    "topologySpreadConstraints": [spread],
                    "terminationGracePeriodSeconds": 5,
                    "containers": [container(image)],
                },
            },
        },
    }

"""Pods of a lab: what a kubelet does with them, done by an agent in the lab's own process.

    object of a Pod ─► reading ─► model ─┬─► environment ─► oci ─► runc
                                         ├─► volumes ◄── sources ◄── API server
                                         └─► probing ─► status ─► API server

A kubelet cannot run where the lab runs, runc can. So the scheduler, the controllers, the API
server's rights and the kernel's limits are the real ones, and only this agent is ours. It knows the
fields that our pods use. A pod with a field that it does not know is failed with the path of that
field (`metallb_lab.pods.errors`), for a field that is ignored would be a test that tests nothing.

Limits: no DNS, no init containers, no images but those that were built here, IPC and process
namespaces are a container's own, service links other than the API server's are not set, and shares
and limits of CPU are not given.
"""

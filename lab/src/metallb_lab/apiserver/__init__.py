"""The embedded Kubernetes API server: in process or as a process of its own, in memory.

In a test::

    async with ApiServer() as server:
        server.url, server.kubeconfig()         # loopback, everybody is system:admin
        server.faults.add("gone", count=1)      # what fails next
        server.store.table("services")          # what is stored

As a process: ``python -m metallb_lab.apiserver --help``; ``/lab/faults``, ``/lab/requests``,
``/lab/compact`` and ``/lab/services`` do for its admin what the objects do in process.

What it does, it does as kube-apiserver v1.35.4 does: ``tests/contract`` asks both the same
questions, and ``tests/contract/differences.py`` is the table of what is allowed to differ. What it
does not do it refuses (404, 405, 406, 415, 422 or 501 with a Status), never silently. In short:

* JSON only: no protobuf, no YAML bodies, no server-side apply, no managedFields. So ``kubectl
  apply``, ``create -f``, ``edit``, ``patch`` work; ``kubectl apply --server-side`` and ``kubectl
  create KIND`` (which sends protobuf) are told that they do not. No subresource ``scale``.
* Tokens are checked, roles are stored and validated but *not enforced*: a known user may do all.
* No controllers: no garbage collection by ownerReferences, nobody empties a namespace that is
  being deleted, nobody makes Endpoints, Pods or default ServiceAccounts. Events do not expire.
* Events of v1 and of events.k8s.io are one storage, as in the real one.
* CRDs: CEL rules run, but are not type-checked and have no cost limit; a rule that uses a function
  not known here makes the CRD be refused.
* Webhooks: AdmissionReview and ConversionReview v1 only, no matchConditions. No
  built-in admission plugin runs.
* Pods and workloads: the schema, the defaults and the first rules; not all of the validation.
"""

from metallb_lab.apiserver.auth import Authenticator, User
from metallb_lab.apiserver.faults import Fault, Faults, Match
from metallb_lab.apiserver.server import ApiServer

__all__ = ["ApiServer", "Authenticator", "Fault", "Faults", "Match", "User"]

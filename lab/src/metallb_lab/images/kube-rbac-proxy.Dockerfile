# The platform's proxy for metrics, for the lab: one program that is linked to nothing.
FROM scratch
COPY kube-rbac-proxy /kube-rbac-proxy
USER 65532:65532
ENTRYPOINT ["/kube-rbac-proxy"]

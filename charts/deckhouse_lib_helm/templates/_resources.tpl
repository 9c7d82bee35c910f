{{- /* Requests of pods and of the proxy before their metrics. */ -}}

{{- define "helm_lib_module_ephemeral_storage_only_logs" }}
ephemeral-storage: 50Mi
{{- end -}}

{{- define "helm_lib_container_kube_rbac_proxy_resources" }}
cpu: 10m
memory: 25Mi
{{- end -}}

{{- define "helm_lib_vpa_kube_rbac_proxy_resources" }}
- containerName: kube-rbac-proxy
  minAllowed:
    {{- include "helm_lib_container_kube_rbac_proxy_resources" . | nindent 4 }}
  maxAllowed:
    cpu: 20m
    memory: 25Mi
{{- end -}}

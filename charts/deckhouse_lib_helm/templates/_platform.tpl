{{- /* What the platform brings into each module. */ -}}

{{- /* Usage: {{ include "helm_lib_kube_rbac_proxy_ca_certificate" (list . "d8-metallb") }} */ -}}
{{- define "helm_lib_kube_rbac_proxy_ca_certificate" }}
  {{- $context := index . 0 }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: kube-rbac-proxy-ca.crt
  namespace: {{ index . 1 }}
  {{- include "helm_lib_module_labels" (list $context) | nindent 2 }}
data:
  ca.crt: |
    {{- $context.Values.global.internal.modules.kubeRBACProxyCA.cert | nindent 4 }}
{{- end -}}

{{- /* Usage: {{ include "helm_lib_dns_policy_bootstraping_state" (list . "Default" "ClusterFirstWithHostNet") }} */ -}}
{{- define "helm_lib_dns_policy_bootstraping_state" -}}
  {{- if (index . 0).Values.global.clusterIsBootstrapped -}}{{- index . 2 -}}{{- else -}}{{- index . 1 -}}{{- end -}}
{{- end -}}

{{- define "helm_lib_prevent_ds_eviction_annotation" }}
cluster-autoscaler.kubernetes.io/enable-ds-eviction: "false"
{{- end -}}

{{- /* Security contexts of pods and containers. */ -}}

{{- define "helm_lib_module_pod_security_context_run_as_user_deckhouse" }}
securityContext:
  runAsNonRoot: true
  runAsUser: 64535
  runAsGroup: 64535
{{- end -}}

{{- define "helm_lib_module_pod_security_context_run_as_user_root" }}
securityContext:
  runAsNonRoot: false
  runAsUser: 0
  runAsGroup: 0
{{- end -}}

{{- define "helm_lib_module_container_security_context_read_only_root_filesystem_capabilities_drop_all_pss_restricted" }}
securityContext:
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities:
    drop:
      - ALL
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- /* Usage: {{ include "…_drop_all_and_add" (list . (list "NET_RAW")) }}. Says nothing of seccomp. */ -}}
{{- define "helm_lib_module_container_security_context_read_only_root_filesystem_capabilities_drop_all_and_add" }}
securityContext:
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities:
    drop:
      - ALL
    add:
    {{- range $capability := index . 1 }}
      - {{ $capability | quote }}
    {{- end }}
{{- end -}}

{{- /* What several templates of this module share. */ -}}

{{- define "metallb_namespace" -}}d8-{{ .Chart.Name }}{{- end -}}

{{- /* Whether the controller makes the certificate of its webhook itself: no hook did, and no user gave one. */ -}}
{{- define "metallb_own_certificate" -}}
  {{- if not (dig "webhookCert" "crt" "" .Values.metallb.internal) -}}yes{{- end -}}
{{- end -}}

{{- /* Whether there is anything to announce: a class, or a pool. */ -}}
{{- define "metallb_speakers_wanted" -}}
  {{- if or .Values.metallb.internal.l2Enabled .Values.metallb.internal.bgpEnabled -}}yes{{- end -}}
{{- end -}}

{{- /* Whether speakers listen for BGP peers on a port below 1024, which takes a capability. */ -}}
{{- define "metallb_bgp_port_is_privileged" -}}
  {{- $port := dig "listenPort" 0 (.Values.metallb.bgp | default dict) | int -}}
  {{- if and (gt $port 0) (lt $port 1024) -}}yes{{- end -}}
{{- end -}}

{{- /* Whether a module of the platform is on. Usage: (list . "vertical-pod-autoscaler") */ -}}
{{- define "metallb_module_enabled" -}}
  {{- if has (index . 1) ((index . 0).Values.global.enabledModules | default list) -}}yes{{- end -}}
{{- end -}}

{{- /* Level of the logs in our programs' words. */ -}}
{{- define "metallb_log_level" -}}{{ .Values.metallb.logLevel | default "Info" | lower }}{{- end -}}

{{- /* Requests of a container of ours. Usage: (list . .Values.metallb.controller) */ -}}
{{- define "metallb_requests" -}}
  {{- $context := index . 0 -}}
  {{- $settings := index . 1 | default dict -}}
requests:
  {{- include "helm_lib_module_ephemeral_storage_only_logs" $context | nindent 2 }}
  {{- if not (include "metallb_module_enabled" (list $context "vertical-pod-autoscaler")) }}
  cpu: {{ dig "resourcesRequests" "cpu" "50m" $settings | quote }}
  memory: {{ dig "resourcesRequests" "memory" "128Mi" $settings | quote }}
  {{- end }}
{{- end -}}

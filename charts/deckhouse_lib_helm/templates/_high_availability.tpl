{{- /* High availability: the module's setting, else the platform's, else what was discovered. */ -}}

{{- /* Usage: {{ if (include "helm_lib_ha_enabled" .) }}. Gives a non-empty string or nothing. */ -}}
{{- define "helm_lib_ha_enabled" -}}
  {{- $values := index .Values (include "helm_lib_module_camelcase_name" .) | default dict -}}
  {{- if hasKey $values "highAvailability" -}}
    {{- if $values.highAvailability -}}not empty string{{- end -}}
  {{- else if hasKey .Values.global "highAvailability" -}}
    {{- if .Values.global.highAvailability -}}not empty string{{- end -}}
  {{- else if dig "discovery" "clusterControlPlaneIsHighlyAvailable" false .Values.global -}}
    not empty string
  {{- end -}}
{{- end -}}

{{- /* Usage: {{ include "helm_lib_is_ha_to_value" (list . 1 0) }}. Gives the first if HA is on, else the second. */ -}}
{{- define "helm_lib_is_ha_to_value" -}}
  {{- if include "helm_lib_ha_enabled" (index . 0) -}}{{- index . 1 -}}{{- else -}}{{- index . 2 -}}{{- end -}}
{{- end -}}

{{- /* Usage: {{ include "helm_lib_deployment_strategy_and_replicas_for_ha" . }} */ -}}
{{- define "helm_lib_deployment_strategy_and_replicas_for_ha" -}}
{{- if include "helm_lib_ha_enabled" . }}
replicas: 2
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxSurge: 0
    maxUnavailable: 1
{{- else }}
replicas: 1
{{- end }}
{{- end -}}

{{- /* Usage: {{ include "helm_lib_pod_anti_affinity_for_ha" (list . (dict "app" "controller")) }} */ -}}
{{- define "helm_lib_pod_anti_affinity_for_ha" -}}
  {{- $context := index . 0 -}}
  {{- if include "helm_lib_ha_enabled" $context }}
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - labelSelector:
          matchLabels:
          {{- range $key, $value := index . 1 }}
            {{ $key }}: {{ $value | quote }}
          {{- end }}
        topologyKey: kubernetes.io/hostname
  {{- end }}
{{- end -}}

{{- /* Names of the module, and the labels that carry them. */ -}}

{{- /* Usage: {{ include "helm_lib_module_camelcase_name" . }}, or a string. Gives metallb, myModule. */ -}}
{{- define "helm_lib_module_camelcase_name" -}}
  {{- $name := "" -}}
  {{- if kindIs "string" . -}}{{- $name = . -}}{{- else -}}{{- $name = .Chart.Name -}}{{- end -}}
  {{- $name | replace "-" "_" | camelcase | untitle -}}
{{- end -}}

{{- /* Usage: {{ include "helm_lib_module_labels" (list . (dict "app" "speaker")) }}. Gives a block `labels:`. */ -}}
{{- define "helm_lib_module_labels" -}}
  {{- $context := index . 0 }}
labels:
  heritage: deckhouse
  module: {{ $context.Chart.Name }}
  {{- if gt (len .) 1 }}
    {{- range $key, $value := index . 1 }}
  {{ $key }}: {{ $value | quote }}
    {{- end }}
  {{- end }}
{{- end -}}

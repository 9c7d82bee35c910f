{{- /* Rules and dashboards, from the folder `monitoring` of the module. */ -}}

{{- /*
  Usage: {{ include "helm_lib_prometheus_rules" (list . "d8-metallb") }}
  Each file below monitoring/prometheus-rules is a list of groups; *.tpl are templates. One PrometheusRule a file.
*/ -}}
{{- define "helm_lib_prometheus_rules" }}
  {{- $context := index . 0 }}
  {{- $namespace := index . 1 }}
  {{- $scrape := dig "discovery" "prometheusScrapeInterval" 30 $context.Values.global | int }}
  {{- if has "operator-prometheus-crd" ($context.Values.global.enabledModules | default list) }}
    {{- range $path, $_ := $context.Files.Glob "monitoring/prometheus-rules/**" }}
      {{- if or (hasSuffix ".yaml" $path) (hasSuffix ".tpl" $path) }}
        {{- $text := $context.Files.Get $path }}
        {{- if hasSuffix ".tpl" $path }}{{- $text = tpl $text $context }}{{- end }}
        {{- range $times := list 2 3 4 }}
          {{- $text = $text | replace (printf "__SCRAPE_INTERVAL_X_%d__" $times) (printf "%ds" (mul $scrape $times)) }}
        {{- end }}
        {{- $text = $text | replace "__SCRAPE_INTERVAL__" (printf "%ds" $scrape) }}
        {{- $name := $path | trimPrefix "monitoring/prometheus-rules/" | trimSuffix ".yaml" | trimSuffix ".tpl" | replace "/" "-" | replace "_" "-" }}
        {{- if $text | trim }}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ printf "%s-%s" $context.Chart.Name $name }}
  namespace: {{ $namespace }}
  {{- include "helm_lib_module_labels" (list $context (dict "app" "prometheus" "component" "rules" "prometheus" "main")) | nindent 2 }}
spec:
  groups:
    {{- $text | nindent 4 }}
        {{- end }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end -}}

{{- /*
  Usage: {{ include "helm_lib_grafana_dashboard_definitions" . }}
  Each monitoring/grafana-dashboards/FOLDER/FILE.json is a dashboard in a folder of that name.
*/ -}}
{{- define "helm_lib_grafana_dashboard_definitions" }}
  {{- $context := . }}
  {{- if has "prometheus-crd" (.Values.global.enabledModules | default list) }}
    {{- range $path, $_ := .Files.Glob "monitoring/grafana-dashboards/*/*.json" }}
      {{- $folder := dir $path | base }}
      {{- $file := base $path | trimSuffix ".json" }}
---
apiVersion: deckhouse.io/v1
kind: GrafanaDashboardDefinition
metadata:
  name: {{ printf "d8-%s-%s-%s" $context.Chart.Name $folder $file | lower }}
  {{- include "helm_lib_module_labels" (list $context (dict "prometheus.deckhouse.io/grafana-dashboard" "")) | nindent 2 }}
spec:
  folder: {{ $folder | replace "-" " " | title | quote }}
  definition: |
    {{- $context.Files.Get $path | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end -}}

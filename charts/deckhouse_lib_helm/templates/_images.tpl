{{- /* Images by digest, from the registry of the module if it has one, else from the platform's. */ -}}

{{- define "helm_lib_module_image_digest" -}}
  {{- $context := index . 0 -}}
  {{- $name := index . 1 | trimAll "\"" | include "helm_lib_module_camelcase_name" -}}
  {{- $module := include "helm_lib_module_camelcase_name" $context -}}
  {{- $digests := $context.Values.global.modulesImages.digests -}}
  {{- $digest := index ($digests | default dict) $module | default dict | dig $name "" -}}
  {{- if not $digest -}}{{- fail (printf "Image %s.%s has no digest" $module $name) -}}{{- end -}}
  {{- $digest -}}
{{- end -}}

{{- /* Usage: {{ include "helm_lib_module_image" (list . "speaker") }}. Fails when there is no digest. */ -}}
{{- define "helm_lib_module_image" -}}
  {{- $context := index . 0 -}}
  {{- $digest := include "helm_lib_module_image_digest" . -}}
  {{- $values := index $context.Values (include "helm_lib_module_camelcase_name" $context) | default dict -}}
  {{- $base := dig "registry" "base" "" $values -}}
  {{- if $base -}}
    {{- printf "%s/%s@%s" $base $context.Chart.Name $digest -}}
  {{- else -}}
    {{- printf "%s@%s" $context.Values.global.modulesImages.registry.base $digest -}}
  {{- end -}}
{{- end -}}

{{- /* Usage: {{ include "helm_lib_module_common_image" (list . "kubeRbacProxy") }} */ -}}
{{- define "helm_lib_module_common_image" -}}
  {{- $context := index . 0 -}}
  {{- $name := index . 1 -}}
  {{- $digest := dig "common" $name "" $context.Values.global.modulesImages.digests -}}
  {{- if not $digest -}}{{- fail (printf "Image common.%s has no digest" $name) -}}{{- end -}}
  {{- printf "%s@%s" $context.Values.global.modulesImages.registry.base $digest -}}
{{- end -}}

{{- /* On which nodes pods run: priority, node selectors, tolerations. */ -}}

{{- /* Usage: {{ include "helm_lib_priority_class" (tuple . "system-cluster-critical") }} */ -}}
{{- define "helm_lib_priority_class" }}
priorityClassName: {{ index . 1 | quote }}
{{- end -}}

{{- /* Usage: {{ include "helm_lib_node_selector" (tuple . "system") }}. The module's own setting wins. */ -}}
{{- define "helm_lib_node_selector" }}
  {{- $context := index . 0 -}}
  {{- $strategy := index . 1 -}}
  {{- $values := index $context.Values (include "helm_lib_module_camelcase_name" $context) | default dict -}}
  {{- $nodes := dig "discovery" "d8SpecificNodeCountByRole" dict $context.Values.global -}}
  {{- if not (has $strategy (list "system" "frontend" "monitoring" "master")) -}}
    {{- fail (printf "unknown strategy %q of a node selector" $strategy) -}}
  {{- end -}}
  {{- if $values.nodeSelector }}
nodeSelector:
    {{- toYaml $values.nodeSelector | nindent 2 }}
  {{- else if eq $strategy "master" }}
nodeSelector:
  node-role.kubernetes.io/control-plane: ""
  {{- else if gt (index $nodes $strategy | default 0 | int) 0 }}
nodeSelector:
  node-role.deckhouse.io/{{ $strategy }}: ""
  {{- end }}
{{- end -}}

{{- /*
  Usage: {{ include "helm_lib_tolerations" (tuple . "any-node" "with-node-problems" "without-storage-problems") }}
  Strategies: any-node, system, wildcard. Storage problems are tolerated unless told otherwise.
*/ -}}
{{- define "helm_lib_tolerations" }}
  {{- $context := index . 0 -}}
  {{- $strategy := index . 1 -}}
  {{- $options := slice . 2 -}}
  {{- $values := index $context.Values (include "helm_lib_module_camelcase_name" $context) | default dict -}}
  {{- if and $values.tolerations (eq $strategy "system") }}
tolerations:
    {{- toYaml $values.tolerations | nindent 2 }}
  {{- else }}
tolerations:
    {{- if eq $strategy "wildcard" }}
  - operator: Exists
    {{- else if eq $strategy "any-node" }}
  - key: node-role.kubernetes.io/master
  - key: node-role.kubernetes.io/control-plane
  - key: dedicated.deckhouse.io
    operator: Exists
  - key: dedicated
    operator: Exists
  - key: DeletionCandidateOfClusterAutoscaler
  - key: ToBeDeletedByClusterAutoscaler
      {{- range $key := dig "modules" "placement" "customTolerationKeys" list $context.Values.global }}
  - key: {{ $key | quote }}
    operator: Exists
      {{- end }}
    {{- else if eq $strategy "system" }}
  - key: dedicated.deckhouse.io
    operator: Equal
    value: {{ $context.Chart.Name | quote }}
  - key: dedicated.deckhouse.io
    operator: Equal
    value: "system"
    {{- else }}
      {{- fail (printf "unknown strategy %q of tolerations" $strategy) -}}
    {{- end }}
    {{- if and (ne $strategy "wildcard") (has "with-uninitialized" $options) }}
  - key: node.deckhouse.io/uninitialized
    operator: Exists
    effect: NoSchedule
  - key: node.deckhouse.io/csi-not-bootstrapped
    operator: Exists
    effect: NoSchedule
    {{- end }}
    {{- if and (ne $strategy "wildcard") (has "with-node-problems" $options) }}
      {{- range $problem := list "not-ready" "out-of-disk" "memory-pressure" "disk-pressure" "pid-pressure" "unreachable" "network-unavailable" }}
  - key: node.kubernetes.io/{{ $problem }}
    operator: Exists
      {{- end }}
    {{- end }}
    {{- if and (ne $strategy "wildcard") (not (has "without-storage-problems" $options)) }}
      {{- range $problem := list "drbd.linbit.com/lost-quorum" "drbd.linbit.com/force-io-error" "drbd.linbit.com/ignore-fail-over" }}
  - key: {{ $problem }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end -}}

{{- /*
  The proxy before the metrics of a workload: nobody sees them who may not `get` its subresource prometheus-metrics.

  The platform's own build takes its configuration from the environment and serves /livez. The upstream build takes it from a
  file and serves nothing of its own on that port; it is used where the platform is not, by `global.kubeRbacProxyBuild: Upstream`.
  Argument of all: (dict "context" . "resource" "deployments" "name" "controller" "port" 7475 "metricsPort" 7472)
*/ -}}

{{- define "metallb_kube_rbac_proxy_is_upstream" -}}
  {{- if eq (.Values.global.kubeRbacProxyBuild | default "Platform") "Upstream" -}}yes{{- end -}}
{{- end -}}

{{- /* The role with which it asks who somebody is and what they may; Kubernetes has one of its own, the platform another. */ -}}
{{- define "metallb_kube_rbac_proxy_role" -}}
  {{- if include "metallb_kube_rbac_proxy_is_upstream" . -}}system:auth-delegator{{- else -}}d8:rbac-proxy{{- end -}}
{{- end -}}

{{- define "metallb_kube_rbac_proxy_attributes" -}}
resourceAttributes:
  namespace: {{ include "metallb_namespace" .context }}
  apiGroup: apps
  apiVersion: v1
  resource: {{ .resource }}
  subresource: prometheus-metrics
  name: {{ .name }}
{{- end -}}

{{- define "metallb_kube_rbac_proxy_probe" -}}
{{- if include "metallb_kube_rbac_proxy_is_upstream" .context }}
tcpSocket:
  port: {{ .port }}
{{- else }}
httpGet:
  path: /livez
  port: {{ .port }}
  scheme: HTTPS
{{- end }}
{{- end -}}

{{- define "metallb_kube_rbac_proxy" -}}
{{- $upstream := include "metallb_kube_rbac_proxy_is_upstream" .context -}}
- name: kube-rbac-proxy
  {{- include "helm_lib_module_container_security_context_read_only_root_filesystem_capabilities_drop_all_pss_restricted" .context | nindent 2 }}
  image: {{ include "helm_lib_module_common_image" (list .context "kubeRbacProxy") }}
  args:
    - "--secure-listen-address=$(KUBE_RBAC_PROXY_LISTEN_ADDRESS):{{ .port }}"
    - "--v=2"
    {{- if $upstream }}
    - "--upstream=http://127.0.0.1:{{ .metricsPort }}/"
    - "--allow-paths=/metrics"
    - "--config-file=/etc/kube-rbac-proxy/config.yaml"
    {{- else }}
    - "--logtostderr=true"
    - "--stale-cache-interval=1h30m"
    - "--livez-path=/livez"
    {{- end }}
  env:
    - name: KUBE_RBAC_PROXY_LISTEN_ADDRESS
      valueFrom:
        fieldRef:
          fieldPath: status.podIP
    {{- if not $upstream }}
    - name: KUBE_RBAC_PROXY_CONFIG
      value: |
        excludePaths: []
        upstreams:
          - upstream: http://127.0.0.1:{{ .metricsPort }}/metrics
            path: /metrics
            authorization:
              {{- include "metallb_kube_rbac_proxy_attributes" . | nindent 14 }}
    {{- end }}
  ports:
    - name: https-metrics
      containerPort: {{ .port }}
      protocol: TCP
  livenessProbe:
    {{- include "metallb_kube_rbac_proxy_probe" . | nindent 4 }}
    periodSeconds: 10
    timeoutSeconds: 3
  readinessProbe:
    {{- include "metallb_kube_rbac_proxy_probe" . | nindent 4 }}
    periodSeconds: 2
    timeoutSeconds: 3
  resources:
    requests:
      {{- include "helm_lib_module_ephemeral_storage_only_logs" .context | nindent 6 }}
      {{- if not (include "metallb_module_enabled" (list .context "vertical-pod-autoscaler")) }}
        {{- include "helm_lib_container_kube_rbac_proxy_resources" .context | nindent 6 }}
      {{- end }}
  {{- if $upstream }}
  volumeMounts:
    - name: kube-rbac-proxy
      mountPath: /etc/kube-rbac-proxy
      readOnly: true
  {{- end }}
{{- end -}}

{{- define "metallb_kube_rbac_proxy_volume" -}}
{{- if include "metallb_kube_rbac_proxy_is_upstream" .context }}
- name: kube-rbac-proxy
  configMap:
    name: kube-rbac-proxy-{{ .name }}
{{- end }}
{{- end -}}

{{- define "metallb_kube_rbac_proxy_config_map" -}}
{{- if include "metallb_kube_rbac_proxy_is_upstream" .context }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: kube-rbac-proxy-{{ .name }}
  namespace: {{ include "metallb_namespace" .context }}
  {{- include "helm_lib_module_labels" (list .context (dict "app" .name)) | nindent 2 }}
data:
  config.yaml: |
    authorization:
      {{- include "metallb_kube_rbac_proxy_attributes" . | nindent 6 }}
{{- end }}
{{- end -}}

{{- /* Rights that others need to read these metrics. */ -}}
{{- define "metallb_access_to_metrics" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: access-to-{{ .file }}-prometheus-metrics
  namespace: {{ include "metallb_namespace" .context }}
  {{- include "helm_lib_module_labels" (list .context (dict "app" .name)) | nindent 2 }}
rules:
  - apiGroups: ["apps"]
    resources: ["{{ .resource }}/prometheus-metrics"]
    resourceNames: ["{{ .name }}"]
    verbs: ["get"]
{{- if include "metallb_module_enabled" (list .context "prometheus") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: access-to-{{ .file }}-prometheus-metrics
  namespace: {{ include "metallb_namespace" .context }}
  {{- include "helm_lib_module_labels" (list .context (dict "app" .name)) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: access-to-{{ .file }}-prometheus-metrics
subjects:
  - kind: User
    name: d8-monitoring:scraper
  - kind: ServiceAccount
    name: prometheus
    namespace: d8-monitoring
{{- end }}
{{- end -}}

{{- /* A PodMonitor for the port https-metrics; of pods that are not ready too, for alerts are about those. */ -}}
{{- define "metallb_pod_monitor" -}}
{{- if include "metallb_module_enabled" (list .context "operator-prometheus") }}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: metallb-{{ .name }}
  namespace: d8-monitoring
  {{- include "helm_lib_module_labels" (list .context (dict "prometheus" "main" "app" .name)) | nindent 2 }}
spec:
  jobLabel: app
  selector:
    matchLabels:
      app: {{ .name }}
  namespaceSelector:
    matchNames:
      - {{ include "metallb_namespace" .context }}
  podMetricsEndpoints:
    - port: https-metrics
      scheme: https
      path: /metrics
      bearerTokenSecret:
        name: prometheus-token
        key: token
      tlsConfig:
        insecureSkipVerify: true
      honorLabels: true
      scrapeTimeout: 25s
      relabelings:
        - regex: endpoint
          action: labeldrop
        - targetLabel: tier
          replacement: cluster
        - sourceLabels: [__meta_kubernetes_pod_node_name]
          targetLabel: node
        - sourceLabels: [__meta_kubernetes_pod_phase]
          regex: Running
          action: keep
{{- end }}
{{- end -}}

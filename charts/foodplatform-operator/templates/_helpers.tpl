{{/* The name of everything that the chart makes. One operator serves a whole cluster, so it doesn't vary. */}}
{{- define "operator.name" -}}
foodplatform-operator
{{- end }}

{{/* What selects the operator's pods. */}}
{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of everything that the chart makes. */}}
{{- define "operator.labels" -}}
{{ include "operator.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: {{ include "operator.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | trimAll "-_." | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_." }}
{{- end }}

{{/* The image of the operator. */}}
{{- define "operator.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What the Pod Security level `restricted` asks of a pod, and of its container. */}}
{{- define "operator.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- define "operator.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{/* Whether to make what needs a kind of the Prometheus Operator: (list $ENABLED $KIND $). */}}
{{- define "operator.monitors" -}}
{{- $enabled := index . 0 }}
{{- $version := printf "monitoring.coreos.com/v1/%s" (index . 1) }}
{{- $capabilities := (index . 2).Capabilities }}
{{- if eq (toString $enabled) "auto" }}
{{- if $capabilities.APIVersions.Has $version }}true{{ end }}
{{- else if $enabled }}true{{ end }}
{{- end }}

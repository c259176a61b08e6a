{{/* The platform's name, from which the names of Services grow. */}}
{{- define "platform.name" -}}
{{- $name := .Values.name | default .Release.Name }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$" $name) }}
{{- fail (printf "%q can't be a platform's name: set `name` to at most 40 lower-case letters, digits and '-', beginning with a letter and not ending with '-'" $name) }}
{{- end }}
{{- $name }}
{{- end }}

{{/* The labels that the chart gives it. */}}
{{- define "platform.labels" -}}
app.kubernetes.io/name: foodplatform
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_." }}
{{- end }}

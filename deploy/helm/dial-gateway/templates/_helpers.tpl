{{- define "dial-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimAll "-" }}
{{- end }}

{{/*
The release's name, where it says "dial-gateway" already; 53 characters, so that suffixes fit. A Service takes only a
name of the kind that starts with a letter and has no dots, although helm allows others for a release.
*/}}
{{- define "dial-gateway.fullname" -}}
{{- $name := include "dial-gateway.name" . }}
{{- $full := printf "%s-%s" .Release.Name $name }}
{{- if .Values.fullnameOverride }}
{{- $full = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- $full = .Release.Name }}
{{- end }}
{{- $full = $full | trunc 53 | trimAll "-" }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $full) }}
{{- fail (printf "fullnameOverride: set it, since a Service cannot be named %s: a letter, then letters, digits and -" $full) }}
{{- end }}
{{- $full }}
{{- end }}

{{- define "dial-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dial-gateway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels of an object. `extra` has more of them; those of the chart win, then `extra`, then commonLabels. */}}
{{- define "dial-gateway.labelsWith" -}}
{{- $ours := include "dial-gateway.selectorLabels" .context | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/version" .context.Chart.AppVersion }}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .context.Release.Service }}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- toYaml (merge $ours .extra .context.Values.commonLabels) }}
{{- end }}

{{- define "dial-gateway.labels" -}}
{{- include "dial-gateway.labelsWith" (dict "context" . "extra" dict) }}
{{- end }}

{{/* The annotations of an object: `own` ones, then commonAnnotations; empty if there are none. */}}
{{- define "dial-gateway.annotations" -}}
{{- with merge (deepCopy .own) .context.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The name, namespace, labels and annotations of an object; `suffix`, `labels` and `annotations` may be omitted. */}}
{{- define "dial-gateway.metadata" -}}
name: {{ include "dial-gateway.fullname" .context }}{{ .suffix }}
namespace: {{ .context.Release.Namespace }}
labels:
  {{- include "dial-gateway.labelsWith" (dict "context" .context "extra" (default dict .labels)) | nindent 2 }}
{{- with include "dial-gateway.annotations" (dict "context" .context "own" (default dict .annotations)) | trim }}
{{ . }}
{{- end }}
{{- end }}

{{- define "dial-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "dial-gateway.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: name the account, or let the chart create one" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "dial-gateway.image" -}}
{{- $image := .Values.image }}
{{- $repository := $image.repository }}
{{- with $image.registry }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) $repository }}
{{- end }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- define "dial-gateway.policyConfigMap" -}}
{{- if .Values.policy.existingConfigMap }}
{{- .Values.policy.existingConfigMap }}
{{- else if .Values.policy.document }}
{{- printf "%s-policy" (include "dial-gateway.fullname" .) }}
{{- end }}
{{- end }}

{{- define "dial-gateway.guardConfigMap" -}}
{{- if .Values.guard.existingConfigMap }}
{{- .Values.guard.existingConfigMap }}
{{- else if .Values.guard.document }}
{{- printf "%s-guard" (include "dial-gateway.fullname" .) }}
{{- end }}
{{- end }}

{{/* The Service with the admin port: the main one, unless that is reachable from outside the cluster. */}}
{{- define "dial-gateway.adminService" -}}
{{- include "dial-gateway.fullname" . }}{{ ternary "" "-admin" (eq .Values.service.type "ClusterIP") }}
{{- end }}

{{/* Fields without those that are null, with which values remove a default. */}}
{{- define "dial-gateway.given" -}}
{{- $given := dict }}
{{- range $name, $value := . }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $given $name $value }}
{{- end }}
{{- end }}
{{- toYaml $given }}
{{- end }}

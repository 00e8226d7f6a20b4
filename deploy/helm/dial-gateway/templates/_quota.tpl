{{/*
The quota is one for the account. Replicas with a shared state share it. Without one each keeps to its own part of
it; the parts are made for as many gateways as can ever run at once, so that together they stay within the quota.
*/}}
{{- define "dial-gateway.parts" -}}
{{- if .Values.sharedState.url }}
{{- 1 }}
{{- else if .Values.autoscaling.enabled }}
{{- .Values.autoscaling.maxReplicas }}
{{- else }}
{{- add .Values.replicaCount .Values.strategy.maxSurge }}
{{- end }}
{{- end }}

{{/* Calls a second for one replica, or for all if they share a state; rounded down to thousandths. */}}
{{- define "dial-gateway.callRate" -}}
{{- $parts := include "dial-gateway.parts" . | float64 }}
{{- $rate := float64 .Values.quota.callRate }}
{{- $part := divf (floor (divf (mulf $rate 1000.0) $parts)) 1000.0 }}
{{- if and (gt $rate 0.0) (le $part 0.0) }}
{{- fail (printf "quota.callRate: %v calls a second leave nothing for each of %v replicas" $rate $parts) }}
{{- end }}
{{- $part }}
{{- end }}

{{/* Calls that may leave one replica, or all, at once: whole ones, since a part of a call cannot leave. */}}
{{- define "dial-gateway.callBurst" -}}
{{- $parts := include "dial-gateway.parts" . | float64 }}
{{- $part := floor (divf .Values.quota.callBurst $parts) | int }}
{{- if lt $part 1 }}
{{- fail (printf "quota.callBurst: %v calls at once are less than one for each of %v replicas" .Values.quota.callBurst $parts) }}
{{- end }}
{{- $part }}
{{- end }}

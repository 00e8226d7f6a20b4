{{/*
Seconds until the pod is killed. It must outlast the pause before SIGTERM and the drain after it, and the
gateway's last steps: the last answers read, the last spans exported.
*/}}
{{- define "dial-gateway.terminationGrace" -}}
{{- $needed := add .Values.preStopSeconds (ceil .Values.gateway.drainGrace | int) 5 }}
{{- $given := .Values.terminationGracePeriodSeconds }}
{{- if kindIs "invalid" $given }}
{{- add $needed 5 }}
{{- else if lt (int $given) (int $needed) }}
{{- fail (printf "terminationGracePeriodSeconds: %d would kill a gateway that still drains; preStopSeconds + gateway.drainGrace + 5 are %d" (int $given) (int $needed)) }}
{{- else }}
{{- int64 $given }}
{{- end }}
{{- end }}

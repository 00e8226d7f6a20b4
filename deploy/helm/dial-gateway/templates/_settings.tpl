{{/* A value as the text of a variable: Go writes large whole numbers from a file as 1e+06, which is no whole number. */}}
{{- define "dial-gateway.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}
{{- int64 . }}
{{- else }}
{{- . }}
{{- end }}
{{- end }}

{{/* The gateway's settings, as variables of the container; README.md says what each means. */}}
{{- define "dial-gateway.settings" -}}
{{- $settings := dict
  "LISTEN" (printf "0.0.0.0:%d" (int .Values.service.port))
  "ADMIN_LISTEN" (printf "0.0.0.0:%d" (int .Values.adminPort))
  "CONNECT_API" .Values.gateway.connectApi
  "CALL_RATE" (include "dial-gateway.callRate" .)
  "CALL_BURST" (include "dial-gateway.callBurst" .)
  "MAX_CONCURRENT_CALLS" (int .Values.gateway.maxConcurrentCalls)
  "STREAM_WINDOW" (int .Values.gateway.streamWindow)
  "QUEUE_LIMIT" (int .Values.gateway.queueLimit)
  "QUEUE_BYTES" (int64 .Values.gateway.queueBytes)
  "DRAIN_GRACE" .Values.gateway.drainGrace
  "LOG_LEVEL" .Values.gateway.logLevel
  "LOG_FORMAT" .Values.gateway.logFormat
}}
{{- with .Values.gateway.connectApiByCampaign }}
{{- $_ := set $settings "CONNECT_API_BY_CAMPAIGN" . }}
{{- end }}
{{- if not (kindIs "invalid" .Values.gateway.streamMaxAge) }}
{{- $_ := set $settings "STREAM_MAX_AGE" .Values.gateway.streamMaxAge }}
{{- end }}
{{- with .Values.gateway.trustedProxies }}
{{- $_ := set $settings "TRUSTED_PROXIES" (join "," .) }}
{{- end }}
{{- with include "dial-gateway.adminHosts" . }}
{{- $_ := set $settings "ADMIN_HOSTS" . }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- $_ := set $settings "TLS_CERT_FILE" "/etc/dial-gateway/tls/tls.crt" }}
{{- $_ := set $settings "TLS_KEY_FILE" "/etc/dial-gateway/tls/tls.key" }}
{{- end }}
{{- if .Values.tls.requireClientCertificate }}
{{- $_ := set $settings "TLS_CLIENT_CA_FILE" "/etc/dial-gateway/client-ca/ca.crt" }}
{{- end }}
{{- if include "dial-gateway.policyConfigMap" . }}
{{- $_ := set $settings "POLICY_FILE" "/etc/dial-gateway/policy/policy.yaml" }}
{{- end }}
{{- if include "dial-gateway.guardConfigMap" . }}
{{- $_ := set $settings "GUARD_FILE" "/etc/dial-gateway/guard/guard.yaml" }}
{{- end }}
{{- if .Values.guard.keySecretName }}
{{- $_ := set $settings "GUARD_KEY_FILE" "/etc/dial-gateway/guard-key/key" }}
{{- end }}
{{- if .Values.guard.suppressions.volume }}
{{- $_ := set $settings "SUPPRESSION_FILE" "/var/lib/dial-gateway/suppressions/suppressions.jsonl" }}
{{- end }}
{{- with .Values.guard.audit }}
{{- if .volume }}
{{- $_ := set $settings "GUARD_AUDIT_FILE" "/var/lib/dial-gateway/audit/{replica}.jsonl" }}
{{- if not (kindIs "invalid" .fileBytes) }}
{{- $_ := set $settings "GUARD_AUDIT_FILE_BYTES" .fileBytes }}
{{- end }}
{{- if not (kindIs "invalid" .files) }}
{{- $_ := set $settings "GUARD_AUDIT_FILES" .files }}
{{- end }}
{{- end }}
{{- if .otlp }}
{{- $_ := set $settings "GUARD_AUDIT_OTLP" "on" }}
{{- end }}
{{- if not .required }}
{{- $_ := set $settings "GUARD_AUDIT_REQUIRED" "off" }}
{{- end }}
{{- end }}
{{- if .Values.admin.tokenSecretName }}
{{- $_ := set $settings "ADMIN_TOKEN_FILE" "/etc/dial-gateway/admin/token" }}
{{- end }}
{{- if .Values.sharedState.url }}
{{- $_ := set $settings "SHARED_STATE_URL" .Values.sharedState.url }}
{{- $_ := set $settings "SHARED_STATE_PREFIX" .Values.sharedState.prefix }}
{{- if not (kindIs "invalid" .Values.sharedState.timeout) }}
{{- $_ := set $settings "SHARED_STATE_TIMEOUT" .Values.sharedState.timeout }}
{{- end }}
{{- if not (kindIs "invalid" .Values.sharedState.longestOutage) }}
{{- $_ := set $settings "SHARED_STATE_LONGEST_OUTAGE" .Values.sharedState.longestOutage }}
{{- end }}
{{- if .Values.sharedState.passwordSecretName }}
{{- $_ := set $settings "SHARED_STATE_PASSWORD_FILE" "/etc/dial-gateway/shared-state-password/password" }}
{{- end }}
{{- if .Values.sharedState.fingerprintKeySecretName }}
{{- $_ := set $settings "SHARED_STATE_FINGERPRINT_KEY_FILE" "/etc/dial-gateway/fingerprint-key/key" }}
{{- end }}
{{- if .Values.sharedState.tls.caSecretName }}
{{- $_ := set $settings "SHARED_STATE_TLS_CA_FILE" "/etc/dial-gateway/shared-state-ca/ca.crt" }}
{{- end }}
{{- if .Values.sharedState.tls.clientCertificateSecretName }}
{{- $_ := set $settings "SHARED_STATE_TLS_CERT_FILE" "/etc/dial-gateway/shared-state-tls/tls.crt" }}
{{- $_ := set $settings "SHARED_STATE_TLS_KEY_FILE" "/etc/dial-gateway/shared-state-tls/tls.key" }}
{{- end }}
{{- end }}
{{- range $name, $value := $settings }}
- name: DIAL_GATEWAY_{{ $name }}
  value: {{ include "dial-gateway.text" $value | quote }}
{{- end }}
{{- range $name, $value := .Values.gateway.extraSettings }}
- name: {{ $name }}
  value: {{ include "dial-gateway.text" $value | quote }}
{{- end }}
{{- with .Values.aws.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The names that the admin port answers to: those of the values, and those of the ingress and the route. */}}
{{- define "dial-gateway.adminHosts" -}}
{{- $hosts := .Values.gateway.adminHosts }}
{{- if .Values.ingress.enabled }}
{{- range .Values.ingress.hosts }}
{{- $hosts = append $hosts .host }}
{{- end }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- $hosts = concat $hosts .Values.httpRoute.hostnames }}
{{- end }}
{{- $hosts | uniq | join "," }}
{{- end }}

{{/* The Secrets of the shared state that are in use: by the name of the volume, the Secret and its files by key. */}}
{{- define "dial-gateway.sharedStateSecrets" -}}
{{- $shared := .Values.sharedState }}
{{- $secrets := dict }}
{{- if $shared.url }}
{{- with $shared.passwordSecretName }}
{{- $_ := set $secrets "shared-state-password" (dict "secret" . "files" (dict $shared.passwordSecretKey "password")) }}
{{- end }}
{{- with $shared.fingerprintKeySecretName }}
{{- $_ := set $secrets "fingerprint-key" (dict "secret" . "files" (dict $shared.fingerprintKeySecretKey "key")) }}
{{- end }}
{{- with $shared.tls.caSecretName }}
{{- $_ := set $secrets "shared-state-ca" (dict "secret" . "files" (dict "ca.crt" "ca.crt")) }}
{{- end }}
{{- with $shared.tls.clientCertificateSecretName }}
{{- $_ := set $secrets "shared-state-tls" (dict "secret" . "files" (dict "tls.crt" "tls.crt" "tls.key" "tls.key")) }}
{{- end }}
{{- end }}
{{- toJson $secrets }}
{{- end }}

{{/* Files that the settings name. Folders, never single files: only they follow a Secret that changes. */}}
{{- define "dial-gateway.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.tls.enabled }}
- name: tls
  mountPath: /etc/dial-gateway/tls
  readOnly: true
{{- end }}
{{- if .Values.tls.requireClientCertificate }}
- name: client-ca
  mountPath: /etc/dial-gateway/client-ca
  readOnly: true
{{- end }}
{{- if include "dial-gateway.policyConfigMap" . }}
- name: policy
  mountPath: /etc/dial-gateway/policy
  readOnly: true
{{- end }}
{{- if .Values.admin.tokenSecretName }}
- name: admin-token
  mountPath: /etc/dial-gateway/admin
  readOnly: true
{{- end }}
{{- if include "dial-gateway.guardConfigMap" . }}
- name: guard
  mountPath: /etc/dial-gateway/guard
  readOnly: true
{{- end }}
{{- if .Values.guard.lists }}
- name: lists
  mountPath: /etc/dial-gateway/lists
  readOnly: true
{{- end }}
{{- if .Values.guard.keySecretName }}
- name: guard-key
  mountPath: /etc/dial-gateway/guard-key
  readOnly: true
{{- end }}
{{- if .Values.guard.suppressions.volume }}
- name: suppressions
  mountPath: /var/lib/dial-gateway/suppressions
{{- end }}
{{- if .Values.guard.audit.volume }}
- name: audit
  mountPath: /var/lib/dial-gateway/audit
{{- end }}
{{- range $name, $_ := include "dial-gateway.sharedStateSecrets" . | fromJson }}
- name: {{ $name }}
  mountPath: /etc/dial-gateway/{{ $name }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "dial-gateway.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if .Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ .Values.tls.secretName }}
    defaultMode: 0440
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
{{- end }}
{{- if .Values.tls.requireClientCertificate }}
- name: client-ca
  secret:
    secretName: {{ default .Values.tls.secretName .Values.tls.clientCaSecretName }}
    defaultMode: 0440
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- with include "dial-gateway.policyConfigMap" . }}
- name: policy
  configMap:
    name: {{ . }}
    items:
      - key: policy.yaml
        path: policy.yaml
{{- end }}
{{- if .Values.admin.tokenSecretName }}
- name: admin-token
  secret:
    secretName: {{ .Values.admin.tokenSecretName }}
    defaultMode: 0440
    items:
      - key: {{ .Values.admin.tokenSecretKey | quote }}
        path: token
{{- end }}
{{- with include "dial-gateway.guardConfigMap" . }}
- name: guard
  configMap:
    name: {{ . }}
    items:
      - key: guard.yaml
        path: guard.yaml
{{- end }}
{{- with .Values.guard.lists }}
- name: lists
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.guard.keySecretName }}
- name: guard-key
  secret:
    secretName: {{ .Values.guard.keySecretName }}
    defaultMode: 0440
    items:
      - key: {{ .Values.guard.keySecretKey | quote }}
        path: key
{{- end }}
{{- with .Values.guard.suppressions.volume }}
- name: suppressions
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.guard.audit.volume }}
- name: audit
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $name, $source := include "dial-gateway.sharedStateSecrets" . | fromJson }}
- name: {{ $name }}
  secret:
    secretName: {{ $source.secret }}
    defaultMode: 0440
    items:
      {{- range $key, $path := $source.files }}
      - key: {{ $key | quote }}
        path: {{ $path }}
      {{- end }}
{{- end }}
{{- end }}

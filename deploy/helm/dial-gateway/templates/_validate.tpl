{{/*
Refuses values that the schema cannot refuse because they depend on each other or have been renamed. Each message
starts with the path of the value.
*/}}
{{- define "dial-gateway.validate" -}}
{{- include "dial-gateway.validate.renamed" . }}
{{- include "dial-gateway.validate.pod" . }}
{{- include "dial-gateway.validate.volumes" . }}
{{- include "dial-gateway.validate.resources" . }}
{{- include "dial-gateway.validate.service" . }}
{{- include "dial-gateway.validate.networks" . }}
{{- include "dial-gateway.validate.console" . }}
{{- include "dial-gateway.validate.suppressions" . }}
{{- include "dial-gateway.validate.settings" . }}
{{- end }}

{{/* Values of earlier versions of the chart. */}}
{{- define "dial-gateway.validate.renamed" -}}
{{- if hasKey .Values "replicas" }}
{{- fail "replicas: renamed to replicaCount" }}
{{- end }}
{{- if hasKey .Values "topologySpread" }}
{{- fail "topologySpread: replaced by topologySpreadConstraints, a list in the format of Kubernetes" }}
{{- end }}
{{- if hasKey .Values.autoscaling "cpuUtilization" }}
{{- fail "autoscaling.cpuUtilization: renamed to autoscaling.targetCPUUtilizationPercentage" }}
{{- end }}
{{- end }}

{{- define "dial-gateway.validate.pod" -}}
{{- if and (eq (int .Values.strategy.maxSurge) 0) (eq (int .Values.strategy.maxUnavailable) 0) }}
{{- fail "strategy: with neither maxSurge nor maxUnavailable no pod can be replaced" }}
{{- end }}
{{- if eq (int .Values.service.port) (int .Values.adminPort) }}
{{- fail (printf "adminPort: %d is service.port as well; the gateway listens on two ports" (int .Values.adminPort)) }}
{{- end }}
{{- $spread := dict }}
{{- range $constraint := .Values.topologySpreadConstraints }}
{{- $key := printf "%s with %s" .topologyKey .whenUnsatisfiable }}
{{- if hasKey $spread $key }}
{{- fail (printf "topologySpreadConstraints: %s is given twice" $key) }}
{{- end }}
{{- $_ := set $spread $key true }}
{{- range .matchLabelKeys }}
{{- if hasKey (dig "labelSelector" "matchLabels" dict (deepCopy $constraint)) . }}
{{- fail (printf "topologySpreadConstraints: %s is in labelSelector and in matchLabelKeys" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- $context := .Values.securityContext }}
{{- if and (eq (toString $context.allowPrivilegeEscalation) "false") (has "SYS_ADMIN" (dig "capabilities" "add" list $context)) }}
{{- fail "securityContext.capabilities.add: SYS_ADMIN contradicts allowPrivilegeEscalation: false" }}
{{- end }}
{{- if and .Values.autoscaling.enabled .Values.autoscaling.targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" .Values.resources)) }}
{{- fail "autoscaling.targetCPUUtilizationPercentage: it is a part of resources.requests.cpu, which is not set" }}
{{- end }}
{{- end }}

{{/* Kubernetes refuses a volume name or a mount path that is given twice, and a mount without a volume. */}}
{{- define "dial-gateway.validate.volumes" -}}
{{- $volumes := dict }}
{{- range concat (include "dial-gateway.volumes" . | fromYamlArray) .Values.extraVolumes }}
{{- if hasKey $volumes .name }}
{{- fail (printf "extraVolumes: the name %s is given twice, or the chart uses it" .name) }}
{{- end }}
{{- $_ := set $volumes .name true }}
{{- end }}
{{- $paths := dict }}
{{- range concat (include "dial-gateway.mounts" . | fromYamlArray) .Values.extraVolumeMounts }}
{{- if hasKey $paths .mountPath }}
{{- fail (printf "extraVolumeMounts: %s is given twice, or the chart uses it" .mountPath) }}
{{- end }}
{{- if not (hasKey $volumes .name) }}
{{- fail (printf "extraVolumeMounts: there is no volume %s; add it to extraVolumes" .name) }}
{{- end }}
{{- $_ := set $paths .mountPath true }}
{{- end }}
{{- end }}

{{- define "dial-gateway.validate.resources" -}}
{{- $limits := default dict .Values.resources.limits }}
{{- range $name, $request := default dict .Values.resources.requests }}
{{- $limit := get $limits $name }}
{{- if and $limit $request (gt (include "dial-gateway.quantity" $request | float64) (include "dial-gateway.quantity" $limit | float64)) }}
{{- fail (printf "resources.requests.%s: %v is more than the limit, %v" $name $request $limit) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A quantity of Kubernetes, such as 500m or 1Gi, as a number. */}}
{{- define "dial-gateway.quantity" -}}
{{- $units := dict "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 }}
{{- $text := include "dial-gateway.text" . }}
{{- $number := regexFind "^[0-9.]+" $text }}
{{- mulf (float64 $number) (default 1.0 (get $units (trimPrefix $number $text))) }}
{{- end }}

{{- define "dial-gateway.validate.service" -}}
{{- $service := .Values.service }}
{{- if and (eq $service.type "ClusterIP") (or $service.nodePort $service.externalTrafficPolicy) }}
{{- fail "service.type: ClusterIP has neither nodePort nor externalTrafficPolicy" }}
{{- end }}
{{- if and (ne $service.type "LoadBalancer") (or $service.loadBalancerClass $service.loadBalancerSourceRanges) }}
{{- fail (printf "service.type: %s has neither loadBalancerClass nor loadBalancerSourceRanges" $service.type) }}
{{- end }}
{{- end }}

{{/* Kubernetes refuses an exception that is not within its network, and a range of ports that ends before it starts. */}}
{{- define "dial-gateway.validate.networks" -}}
{{- $policy := .Values.networkPolicy }}
{{- $blocks := $policy.awsNetworks }}
{{- $peers := concat $policy.callers $policy.monitoring $policy.console $policy.collectors $policy.dns $policy.sharedState }}
{{- range concat $policy.extraIngress $policy.extraEgress }}
{{- $peers = concat $peers (default list (get . "from")) (default list (get . "to")) }}
{{- range default list .ports }}
{{- if and .endPort (lt (int .endPort) (int .port)) }}
{{- fail (printf "networkPolicy: endPort %d is less than port %d" (int .endPort) (int .port)) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $peers }}
{{- with .ipBlock }}
{{- $blocks = append $blocks . }}
{{- end }}
{{- end }}
{{- range $block := $blocks }}
{{- if ne (include "dial-gateway.canonical" $block.cidr) "yes" }}
{{- fail (printf "networkPolicy: %s has bits set beyond the length of its prefix" $block.cidr) }}
{{- end }}
{{- range $except := default list $block.except }}
{{- if ne (include "dial-gateway.within" (dict "inner" $except "outer" $block.cidr)) "yes" }}
{{- fail (printf "networkPolicy: the exception %s is not a part of %s" $except $block.cidr) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* "yes" if an address of IPv4 has no bits set beyond its prefix. Networks of IPv6 are accepted as they are. */}}
{{- define "dial-gateway.canonical" -}}
{{- if contains ":" . }}
{{- "yes" }}
{{- else }}
{{- $size := include "dial-gateway.size" . | int64 }}
{{- eq (mod (include "dial-gateway.address" . | int64) $size) 0 | ternary "yes" "no" }}
{{- end }}
{{- end }}

{{/* "yes" if a network of IPv4 is a part of another. Exceptions in networks of IPv6 are accepted as they are. */}}
{{- define "dial-gateway.within" -}}
{{- if contains ":" .outer }}
{{- contains ":" .inner | ternary "yes" "no" }}
{{- else if contains ":" .inner }}
{{- "no" }}
{{- else if ge (include "dial-gateway.size" .inner | int64) (include "dial-gateway.size" .outer | int64) }}
{{- "no" }}
{{- else }}
{{- $size := include "dial-gateway.size" .outer | int64 }}
{{- $places := list }}
{{- range list .inner .outer }}
{{- $places = append $places (div (include "dial-gateway.address" . | int64) $size) }}
{{- end }}
{{- eq (first $places) (last $places) | ternary "yes" "no" }}
{{- end }}
{{- end }}

{{/* The number of addresses in a network of IPv4. */}}
{{- define "dial-gateway.size" -}}
{{- $size := 1 }}
{{- range until (int (sub 32 (splitList "/" . | last | int))) }}
{{- $size = mul $size 2 }}
{{- end }}
{{- $size }}
{{- end }}

{{/* The address of a network of IPv4 as a number. */}}
{{- define "dial-gateway.address" -}}
{{- $number := 0 }}
{{- range splitList "/" . | first | splitList "." }}
{{- $number = add (mul $number 256) (int .) }}
{{- end }}
{{- $number }}
{{- end }}

{{- define "dial-gateway.validate.console" -}}
{{- $policy := .Values.networkPolicy }}
{{- range $name, $hosts := dict "ingress" .Values.ingress.hosts "httpRoute" .Values.httpRoute.hostnames }}
{{- if get (get $.Values $name) "enabled" }}
{{- if not $hosts }}
{{- fail (printf "%s: name at least one host, since the admin port answers to known names only" $name) }}
{{- end }}
{{- if and $policy.enabled (not $policy.console) (not $policy.extraIngress) }}
{{- fail (printf "networkPolicy.console: name the controller that serves %s, since the policy admits no other connection" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "httpRoute.parentRefs: name the Gateway" }}
{{- end }}
{{- end }}

{{/* A file of suppressions belongs to one gateway, which keeps them nowhere else. */}}
{{- define "dial-gateway.validate.suppressions" -}}
{{- if .Values.guard.suppressions.volume }}
{{- if .Values.sharedState.url }}
{{- fail "guard.suppressions.volume: with sharedState.url suppressions are kept in the shared state; set one of both" }}
{{- end }}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) }}
{{- fail "guard.suppressions.volume: several replicas would not know each other's suppressions; set replicaCount to 1, or sharedState.url instead" }}
{{- end }}
{{- if not .Values.guard.keySecretName }}
{{- fail "guard.keySecretName: guard.suppressions.volume needs the key of the hashes of numbers" }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Settings by name. The schema checks names, types, and the ranges of numbers; this checks numbers that are written as
text, and refuses settings that have a value of their own. files/settings.json is generated from the gateway's settings.
*/}}
{{- define "dial-gateway.validate.settings" -}}
{{- $known := .Files.Get "files/settings.json" | fromJson }}
{{- range $name, $value := .Values.gateway.extraSettings }}
{{- $setting := get $known $name | default dict }}
{{- with $setting.own }}
{{- fail (printf "gateway.extraSettings: %s is set by %s" $name .) }}
{{- end }}
{{- if and (kindIs "string" $value) (has (dig "schema" "type" "" $setting) (list "number" "integer")) }}
{{- $number := float64 $value }}
{{- $schema := $setting.schema }}
{{- $low := default $schema.exclusiveMinimum $schema.minimum }}
{{- if or (gt $number (float64 $schema.maximum)) (lt $number (float64 $low)) (and (hasKey $schema "exclusiveMinimum") (le $number (float64 $low))) }}
{{- fail (printf "gateway.extraSettings: %s must be %s; got %s" $name $setting.rule $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- $seen := dict }}
{{- range include "dial-gateway.settings" . | fromYamlArray }}
{{- if hasKey $seen .name }}
{{- fail (printf "extraEnv: %s is given twice, or the chart sets it" .name) }}
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- end }}

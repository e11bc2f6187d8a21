{{/* Names, labels and the rules that more than one template shares. */}}

{{- define "psu.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Cut to 40 characters: the longest suffix that a template adds still fits a label's 63. */}}
{{- define "psu.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "psu.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The namespace of all that has one, but for the roles in the namespaces that are served. */}}
{{- define "psu.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "psu.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "psu.fullname" .) .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else -}}
{{- fail "serviceAccount.name: name the account that is there already, since serviceAccount.create is false" -}}
{{- end -}}
{{- end -}}

{{/* What a selector matches by: never changes within a release. */}}
{{- define "psu.selectorLabels" -}}
app.kubernetes.io/name: {{ include "psu.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "psu.labels" -}}
{{- with .Values.commonLabels }}
{{- toYaml . | nindent 0 }}
{{- end }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "psu.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: presigned-url-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "psu.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The chart's own and those of a parent chart, which may be plain names. JSON. */}}
{{- define "psu.imagePullSecrets" -}}
{{- $all := list -}}
{{- range concat (dig "imagePullSecrets" list (default dict .Values.global)) .Values.imagePullSecrets -}}
{{- $all = append $all (ternary . (dict "name" .) (kindIs "map" .)) -}}
{{- end -}}
{{- $all | uniq | toJson -}}
{{- end -}}

{{/* Not empty on OpenShift, which gives each namespace user ids of its own and refuses a pod that asks for another. */}}
{{- define "psu.idsOfOpenShift" -}}
{{- $adapt := dig "compatibility" "openshift" "adaptSecurityContext" "auto" (default dict .Values.global) -}}
{{- if or (eq $adapt "force") (and (eq $adapt "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
yes
{{- end -}}
{{- end -}}

{{- define "psu.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext -}}
{{- if include "psu.idsOfOpenShift" . -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" "seLinuxOptions" -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{- define "psu.securityContext" -}}
{{- $context := .Values.securityContext -}}
{{- if include "psu.idsOfOpenShift" . -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "seLinuxOptions" -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* A duration of Go, in seconds. */}}
{{- define "psu.seconds" -}}
{{- $seconds := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ms|s|m|h)" . -1 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $seconds = addf $seconds (mulf (trimSuffix $unit . | float64) (get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0) $unit)) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* A quantity of Kubernetes, in bytes; nothing if it is none. */}}
{{- define "psu.bytes" -}}
{{- $form := "^([0-9.]+(?:[eE][+-]?[0-9]+)?)(m|[kMGTPE]|[KMGTPE]i)?$" -}}
{{- if regexMatch $form (toString .) -}}
{{- $number := regexReplaceAll $form (toString .) "${1}" | float64 -}}
{{- $unit := regexReplaceAll $form (toString .) "${2}" -}}
{{- $decimal := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 -}}
{{- $binary := dict "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- mulf $number (get (merge $decimal $binary) $unit) | printf "%.0f" -}}
{{- end -}}
{{- end -}}

{{/* Binds a Role or ClusterRole (`kind`, `name`, `namespace`) of the chart to the operator's service account. */}}
{{- define "psu.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "psu.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "psu.serviceAccountName" .root }}
    namespace: {{ include "psu.namespace" .root }}
{{- end -}}

{{/*
The rights that the operator has where its tenants are. A Secret is never patched: the answer to an empty patch holds the
Secret's data, so `patch` is `get` under another name.
*/}}
{{- define "psu.tenantRules" -}}
- apiGroups: [presigned.dev]
  resources: [presignedurls]
  {{- /* delete: what has expired is removed where spec.ttlAfterExpiry says so. */}}
  verbs: [get, list, watch, delete]
- apiGroups: [presigned.dev]
  resources: [presignedurls/status]
  verbs: [update]
- apiGroups: [""]
  resources: [secrets]
  {{- if eq .Values.operator.secretAccess "watch" }}
  verbs: [get, list, watch, create, update, delete]
  {{- else }}
  verbs: [create, update, delete]
  {{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/*
Objects of this chart's own CRDs. Helm looks every kind of a release up before it creates the first object, so on a cluster that
does not have the CRDs yet an ordinary manifest fails with "no matches for kind". There they are post-install hooks, which
are looked up only once the CRDs are in. A hook is not part of the release; it carries the release's mark of ownership, so that the
next upgrade, which finds the kinds known, takes the very same objects over as ordinary ones: nothing is deleted and made
anew in between, which would deny every request for that while.
*/}}
{{- define "psu.customResources" -}}
{{- $root := .root }}
{{- $kind := .kind }}
{{- $known := $root.Capabilities.APIVersions.Has (printf "presigned.dev/v1alpha1/%s" $kind) }}
{{- $seen := dict }}
{{- range .items }}
{{- if hasKey $seen .name }}
{{- fail (printf "%s: the name %q is there twice" $.what .name) }}
{{- end }}
{{- $_ := set $seen .name true }}
---
apiVersion: presigned.dev/v1alpha1
kind: {{ $kind }}
metadata:
  name: {{ .name }}
  labels:
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "psu.labels" $root | nindent 4 }}
  {{- if or .annotations (not $known) }}
  annotations:
    {{- with .annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if not $known }}
    meta.helm.sh/release-name: {{ $root.Release.Name }}
    meta.helm.sh/release-namespace: {{ $root.Release.Namespace }}
    helm.sh/hook: post-install,post-upgrade
    # The default, before-hook-creation, would look the kind up too early and delete what is in use.
    helm.sh/hook-delete-policy: hook-failed
    {{- end }}
  {{- end }}
spec:
  {{- toYaml .spec | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
A ValidatingAdmissionPolicy of the operator's account and its binding, without what the policy says. Takes root, name, group, resource
and operations; variables and validations follow.
*/}}
{{- define "psu.fence" -}}
{{- $name := printf "%s-%s" (include "psu.fullname" .root) .name -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "psu.labels" .root | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ $name }}
  labels:
    {{- include "psu.labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [{{ .group | quote }}]
        apiVersions: ["*"]
        operations: {{ toJson .operations }}
        resources: [{{ .resource | quote }}]
  matchConditions:
    - name: by-the-operator
      expression: >-
        request.userInfo.username == 'system:serviceaccount:{{ include "psu.namespace" .root }}:{{ include "psu.serviceAccountName" .root }}'
{{- end -}}

{{/*
Domains whose labels and annotations no Secret of the operator gets: those that a secretTemplate can't set (RESERVED in
crates/core/src/issue/template.rs), and the installation's own. JSON.
*/}}
{{- define "psu.reservedDomains" -}}
{{- concat (list "presigned.dev" "kubernetes.io" "k8s.io" "meta.helm.sh" "argocd.argoproj.io") .Values.operator.secretTemplateDeny | uniq | toJson -}}
{{- end -}}

{{/* The audiences that the operator may ask for tokens for: the value's, and those of this release's own stores. JSON. */}}
{{- define "psu.audiences" -}}
{{- $all := .Values.webIdentity.audiences -}}
{{- range .Values.stores -}}
{{- $all = append $all (dig "s3" "credentials" "webIdentity" "audience" "" .spec) -}}
{{- end -}}
{{- range $all -}}
{{- if hasPrefix "https://kubernetes.default.svc" . -}}
{{- fail (printf "webIdentity.audience %q: a token for the API server's own audience would act in the operator's name" .) -}}
{{- end -}}
{{- end -}}
{{- $all | compact | uniq | toJson -}}
{{- end -}}

{{/* A ServiceMonitor or a PodMonitor: takes root, kind, the name of its field of endpoints, and its values. */}}
{{- define "psu.monitor" -}}
{{- $root := .root -}}
apiVersion: monitoring.coreos.com/v1
kind: {{ .kind }}
metadata:
  name: {{ include "psu.fullname" $root }}
  namespace: {{ default (include "psu.namespace" $root) .values.namespace }}
  labels:
    {{- with .values.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "psu.labels" $root | nindent 4 }}
  {{- with .values.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  namespaceSelector:
    matchNames:
      - {{ include "psu.namespace" $root }}
  selector:
    matchLabels:
      {{- include "psu.selectorLabels" $root | nindent 6 }}
      {{- if eq .kind "ServiceMonitor" }}
      app.kubernetes.io/component: metrics
      {{- end }}
  {{ .endpoints }}:
    - port: metrics
      path: /metrics
      interval: {{ .values.interval }}
      scrapeTimeout: {{ .values.scrapeTimeout }}
      {{- if .values.honorLabels }}
      honorLabels: true
      {{- end }}
      {{- if .values.authorization }}
      authorization:
        {{- toYaml .values.authorization | nindent 8 }}
      {{- else if and (eq .kind "ServiceMonitor") (eq $root.Values.operator.metricsAuth "token") }}
      # Prometheus' own token; bind its account to the ClusterRole {{ include "psu.fullname" $root }}-metrics-reader.
      bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
      {{- end }}
      {{- with .values.relabelings }}
      relabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.metricRelabelings }}
      metricRelabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

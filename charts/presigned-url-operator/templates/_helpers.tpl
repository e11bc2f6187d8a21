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
        request.userInfo.username == 'system:serviceaccount:{{ .root.Release.Namespace }}:{{ include "psu.serviceAccountName" .root }}'
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

{{- define "stepiq.fullname" -}}
{{- if contains "stepiq" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-stepiq" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "stepiq.selector" -}}
app.kubernetes.io/name: stepiq
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "stepiq.labels" -}}
{{ include "stepiq.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "stepiq.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "stepiq.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "stepiq.image" -}}
{{- printf "%s:%s" .root.Values.image.repository (.tag | default .root.Values.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}

{{- define "stepiq.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "stepiq.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "stepiq.environment" -}}
- name: STEPIQ_PUBLIC_URL
  value: {{ required "Set publicUrl to the URL at which users reach the server." .Values.publicUrl | quote }}
# A new folder in the volume: all users can read the volume itself.
- name: STEPIQ_DATA_DIR
  value: /var/lib/stepiq/data
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "stepiq.secret" -}}
- secretRef:
    name: {{ required "Set existingSecret to the name of a Secret with the keys of the server." .Values.existingSecret | quote }}
{{- end -}}

{{/* The pod of a Deployment. Takes root, component, args, port, values (api or worker), claim (of a volume for the data) and tag. */}}
{{- define "stepiq.pod" -}}
metadata:
  # No version: with `api.tag`, the pods of the APIs must stay as they are, because an old API cannot start any more.
  labels:
    {{- include "stepiq.selector" . | nindent 4 }}
    {{- with .root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # New pods when the configuration changes.
    checksum/config: {{ .root.Values.config | sha256sum }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "stepiq.serviceAccountName" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Reaps child processes of the local model.
  shareProcessNamespace: true
  # Longer than a worker needs to stop.
  terminationGracePeriodSeconds: 45
  securityContext:
    {{- include "stepiq.podSecurity" . | nindent 4 }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "stepiq.image" . | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ .args | toJson }}
      ports:
        - name: http
          containerPort: {{ .port }}
      env:
        {{- include "stepiq.environment" .root | nindent 8 }}
        {{- if eq .component "worker" }}
        - name: STEPIQ_WORKER_PORT
          value: {{ .port | quote }}
        {{- end }}
      envFrom:
        {{- include "stepiq.secret" .root | nindent 8 }}
      # The first start of a database on a volume migrates it.
      startupProbe:
        httpGet: {path: /health, port: http}
        periodSeconds: 2
        failureThreshold: 150
      # Not /ready: an outage of the database must not restart the process.
      livenessProbe:
        httpGet: {path: /health, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: {path: /ready, port: http}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      {{- if eq .component "api" }}
      lifecycle:
        preStop:
          # The Service first stops sending requests.
          exec: {command: [python, -c, "import time; time.sleep(5)"]}
      {{- end }}
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        {{- include "stepiq.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: data, mountPath: /var/lib/stepiq}
        - {name: temporary, mountPath: /tmp}
        {{- if .root.Values.config }}
        - {name: config, mountPath: /etc/stepiq, readOnly: true}
        {{- end }}
  volumes:
    - name: data
      {{- if .claim }}
      persistentVolumeClaim:
        claimName: {{ .claim | quote }}
      {{- else }}
      # Emails, if no mail server is configured, and the weights of the local model.
      emptyDir: {sizeLimit: 1Gi}
      {{- end }}
    - name: temporary
      emptyDir: {sizeLimit: 1Gi}
    {{- if .root.Values.config }}
    - name: config
      configMap:
        name: {{ include "stepiq.fullname" .root }}
    {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "stepiq.selector" . | nindent 10 }}
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* The name of an image: (list of the outermost scope, repository, tag). */ -}}
{{- define "kvisor.image" -}}
{{- $scope := index . 0 -}}
{{- with $scope.Values.global.registry }}{{ . }}/{{ end -}}
{{ index . 1 }}:{{ index . 2 | default $scope.Chart.AppVersion }}
{{- end -}}
{{- define "kvisor.labels" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end -}}

// The kinds of the Prometheus operator, read into its own types: a field that they do not have is refused.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func checkMonitoring(path string) error {
	documents, err := readDocuments(path)
	if err != nil {
		return err
	}
	var problems []error
	for _, document := range documents {
		var head struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(document, &head); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if head.APIVersion != "monitoring.coreos.com/v1" {
			continue
		}
		into, known := map[string]any{
			"ServiceMonitor": &monitoringv1.ServiceMonitor{},
			"PodMonitor":     &monitoringv1.PodMonitor{},
			"PrometheusRule": &monitoringv1.PrometheusRule{},
		}[head.Kind]
		if !known {
			problems = append(problems, fmt.Errorf("%s: no type for the kind %s", path, head.Kind))
			continue
		}
		if err := yaml.UnmarshalStrict(document, into); err != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", path, head.Kind, err))
		}
	}
	return errors.Join(problems...)
}

func readDocuments(path string) ([][]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return bytes.Split(text, []byte("\n---\n")), nil
}

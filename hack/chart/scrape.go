// A configuration of Prometheus from a ServiceMonitor and the cluster's Services, with the labels that the Prometheus operator
// gives. Debian's Prometheus can't ask an API server itself.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

type service struct {
	Metadata struct {
		Name, Namespace string
		Labels          map[string]string
	}
	Spec struct {
		Ports []struct{ Name string }
	}
}

// printScrape prints it. In a test no pod runs: what is scraped is at address, each second.
func printScrape(path, services, rules, address string) error {
	monitor, err := serviceMonitor(path)
	if err != nil {
		return err
	}
	found, err := selected(services, monitor)
	if err != nil {
		return err
	}
	endpoint := monitor.Spec.Endpoints[0]
	config, err := json.MarshalIndent(object{
		"global":     object{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files": []string{rules},
		"scrape_configs": []object{{
			"job_name":     fmt.Sprintf("serviceMonitor/%s/%s/0", monitor.Namespace, monitor.Name),
			"metrics_path": endpoint.Path,
			"static_configs": []object{{
				"targets": []string{address},
				"labels": object{
					"namespace": found.Metadata.Namespace,
					"service":   found.Metadata.Name,
					"job":       found.Metadata.Name,
					"endpoint":  endpoint.Port,
				},
			}},
		}},
	}, "", "  ")
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(config, '\n'))
	return err
}

func serviceMonitor(path string) (monitoringv1.ServiceMonitor, error) {
	var monitor monitoringv1.ServiceMonitor
	documents, err := readDocuments(path)
	if err != nil {
		return monitor, err
	}
	for _, document := range documents {
		var read monitoringv1.ServiceMonitor
		// What is of another kind may not fit.
		if err := yaml.Unmarshal(document, &read); err == nil && read.Kind == "ServiceMonitor" {
			return read, nil
		}
	}
	return monitor, fmt.Errorf("%s holds no ServiceMonitor", path)
}

// selected is the one Service that the ServiceMonitor finds.
func selected(path string, monitor monitoringv1.ServiceMonitor) (service, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return service{}, err
	}
	var list struct{ Items []service }
	if err := json.Unmarshal(text, &list); err != nil {
		return service{}, fmt.Errorf("%s: %w", path, err)
	}
	var found []service
	for _, item := range list.Items {
		matches := slices.Contains(monitor.Spec.NamespaceSelector.MatchNames, item.Metadata.Namespace)
		for label, value := range monitor.Spec.Selector.MatchLabels {
			matches = matches && item.Metadata.Labels[label] == value
		}
		for _, port := range item.Spec.Ports {
			if matches && port.Name == monitor.Spec.Endpoints[0].Port {
				found = append(found, item)
			}
		}
	}
	if len(found) != 1 {
		return service{}, fmt.Errorf("the ServiceMonitor finds %d ports of the cluster's %d Services and not one", len(found), len(list.Items))
	}
	return found[0], nil
}

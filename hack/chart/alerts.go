// What the alerts and the dashboard say of other files: each alert has its section in the runbook, each metric and each
// reason in a query is one that the operator has.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// A query of an alert, a rule or a panel.
type query struct{ owner, expr string }

// monitoring is what a rendered chart has for Prometheus and Grafana.
type monitoringParts struct {
	rules   []byte
	alerts  []string
	queries []query
}

func readMonitoring(path string) (monitoringParts, error) {
	var parts monitoringParts
	documents, err := readDocuments(path)
	if err != nil {
		return parts, err
	}
	for _, document := range documents {
		var read struct {
			Kind string
			Spec struct {
				Groups []struct {
					Rules []struct{ Alert, Record, Expr string }
				}
			}
			Data map[string]string
		}
		if err := yaml.Unmarshal(document, &read); err != nil {
			// Not ours: the fields of other kinds are of other types.
			continue
		}
		switch read.Kind {
		case "PrometheusRule":
			var whole struct{ Spec object }
			if err := yaml.Unmarshal(document, &whole); err != nil {
				return parts, err
			}
			if parts.rules, err = yaml.Marshal(whole.Spec); err != nil {
				return parts, err
			}
			for _, group := range read.Spec.Groups {
				for _, rule := range group.Rules {
					parts.queries = append(parts.queries, query{rule.Alert + rule.Record, rule.Expr})
					if rule.Alert != "" {
						parts.alerts = append(parts.alerts, rule.Alert)
					}
				}
			}
		case "ConfigMap":
			for name, text := range read.Data {
				if !strings.HasSuffix(name, ".json") {
					continue
				}
				queries, err := panelQueries(text)
				if err != nil {
					return parts, fmt.Errorf("%s: %w", name, err)
				}
				parts.queries = append(parts.queries, queries...)
			}
		}
	}
	if len(parts.alerts) == 0 || len(parts.queries) == len(parts.alerts) {
		return parts, fmt.Errorf("%s holds no alerts or no dashboard: enable prometheusRule and grafanaDashboard", path)
	}
	return parts, nil
}

func panelQueries(text string) ([]query, error) {
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		return nil, err
	}
	var queries []query
	seen := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if seen[panel.ID] || panel.Title == "" || len(panel.Targets) == 0 {
			return nil, fmt.Errorf("the panel %d %q has no number of its own, no title or no query", panel.ID, panel.Title)
		}
		seen[panel.ID] = true
		for _, target := range panel.Targets {
			queries = append(queries, query{panel.Title, target.Expr})
		}
	}
	return queries, nil
}

func printRules(path string) error {
	parts, err := readMonitoring(path)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(parts.rules)
	return err
}

// printQueries prints one line a query, as Prometheus takes it: with Grafana's variables replaced.
func printQueries(path string) error {
	parts, err := readMonitoring(path)
	if err != nil {
		return err
	}
	variables := strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h", "$namespace", ".*", "\n", " ")
	for _, query := range parts.queries {
		fmt.Printf("%s\t%s\n", query.owner, variables.Replace(query.expr))
	}
	return nil
}

var (
	metricName = regexp.MustCompile(`\bpresigned_[a-z_]+`)
	// In the documentation a name stands in backticks, at the beginning of a table's row.
	documentedName = regexp.MustCompile("(?m)^\\| `([A-Za-z_]+)`")
	reasonMatcher  = regexp.MustCompile(`\breason=(~?)"([^"]*)"`)
	section        = regexp.MustCompile(`(?m)^## (PresignedURL\w+)$`)
	reasonSection  = regexp.MustCompile(`(?m)^## (\w+)$`)
	// In the runbook a reason in its backticks leads to its section.
	reasonLink = regexp.MustCompile("\\[`(\\w+)`\\]\\(reference/reasons\\.md#(\\w+)\\)")
)

func firstGroups(pattern *regexp.Regexp, path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, match := range pattern.FindAllStringSubmatch(string(text), -1) {
		found = append(found, match[1])
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has nothing that looks like %s", path, pattern)
	}
	return found, nil
}

// checkReasonLinks tells of reasons without a section, and of links that lead to none.
func checkReasonLinks(runbook, reasonsPath string, reasons []string) ([]error, error) {
	sections, err := firstGroups(reasonSection, reasonsPath)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(runbook)
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, reason := range reasons {
		if !slices.Contains(sections, reason) {
			problems = append(problems, fmt.Errorf("%s: no section '## %s'", reasonsPath, reason))
		}
	}
	links := reasonLink.FindAllStringSubmatch(string(text), -1)
	if len(links) == 0 {
		problems = append(problems, fmt.Errorf("%s leads to no reason", runbook))
	}
	for _, link := range links {
		if !slices.Contains(sections, link[1]) || strings.ToLower(link[1]) != link[2] {
			problems = append(problems, fmt.Errorf("%s: %s leads nowhere", runbook, link[0]))
		}
	}
	return problems, nil
}

// checkMonitoringDocs fails where an alert has no section in the runbook or a section no alert, and where a query names a
// metric or a reason that the documentation does not.
func checkMonitoringDocs(path, runbook, operations, reasonsPath string) error {
	parts, err := readMonitoring(path)
	if err != nil {
		return err
	}
	sections, err := firstGroups(section, runbook)
	if err != nil {
		return err
	}
	metrics, err := firstGroups(documentedName, operations)
	if err != nil {
		return err
	}
	reasons, err := firstGroups(documentedName, reasonsPath)
	if err != nil {
		return err
	}
	problems, err := checkReasonLinks(runbook, reasonsPath, reasons)
	if err != nil {
		return err
	}
	for _, alert := range parts.alerts {
		if !slices.Contains(sections, alert) {
			problems = append(problems, fmt.Errorf("%s: no section '## %s'", runbook, alert))
		}
	}
	for _, name := range sections {
		if !slices.Contains(parts.alerts, name) {
			problems = append(problems, fmt.Errorf("%s: there is no alert %s", runbook, name))
		}
	}
	for _, query := range parts.queries {
		for _, name := range metricName.FindAllString(query.expr, -1) {
			if !slices.Contains(metrics, strings.TrimSuffix(name, "_bucket")) {
				problems = append(problems, fmt.Errorf("%s: %s is not in %s", query.owner, name, operations))
			}
		}
		for _, match := range reasonMatcher.FindAllStringSubmatch(query.expr, -1) {
			alternatives := []string{match[2]}
			if match[1] == "~" {
				alternatives = strings.Split(match[2], "|")
			}
			for _, alternative := range alternatives {
				pattern, err := regexp.Compile("^(?:" + alternative + ")$")
				if err != nil {
					return err
				}
				if !slices.ContainsFunc(reasons, pattern.MatchString) {
					problems = append(problems, fmt.Errorf("%s: the reason %s is not in %s", query.owner, alternative, reasonsPath))
				}
			}
		}
	}
	return errors.Join(problems...)
}

// The table of values in the chart's README: names and descriptions from values.schema.json, defaults from values.yaml.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	tableBegin = "<!-- values: begin (made by `make generate`) -->\n"
	tableEnd   = "<!-- values: end -->"
)

func writeReadme(chart string) error {
	path, _, updated, err := renderReadme(chart)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(updated), 0o644)
}

func checkReadme(chart string) error {
	path, current, updated, err := renderReadme(chart)
	if err != nil {
		return err
	}
	if current != updated {
		return fmt.Errorf("%s: the table of values is out of date: run `make generate`", path)
	}
	return nil
}

func renderReadme(chart string) (path, current, updated string, err error) {
	path = filepath.Join(chart, "README.md")
	readme, err := os.ReadFile(path)
	if err != nil {
		return path, "", "", err
	}
	current = string(readme)
	table, err := valuesTable(chart)
	if err != nil {
		return path, current, "", err
	}
	head, rest, found := strings.Cut(current, tableBegin)
	_, tail, closed := strings.Cut(rest, tableEnd)
	if !found || !closed {
		return path, current, "", fmt.Errorf("%s lacks the lines %q and %q", path, strings.TrimSpace(tableBegin), tableEnd)
	}
	return path, current, head + tableBegin + table + tableEnd + tail, nil
}

type row struct{ name, value, description string }

// valuesTable fails where values.yaml and values.schema.json don't name the same values, or one has no description.
func valuesTable(chart string) (string, error) {
	valuesFile, err := os.ReadFile(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return "", err
	}
	schemaFile, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	if err != nil {
		return "", err
	}
	var values, schema object
	if err := yaml.Unmarshal(valuesFile, &values); err != nil {
		return "", fmt.Errorf("values.yaml: %w", err)
	}
	if err := json.Unmarshal(schemaFile, &schema); err != nil {
		return "", fmt.Errorf("values.schema.json: %w", err)
	}
	definitions, _ := schema["definitions"].(object)
	table := tabulator{definitions: definitions}
	table.add("", schema, values)
	if len(table.problems) > 0 {
		return "", errors.Join(table.problems...)
	}
	var text strings.Builder
	text.WriteString("| value | default | meaning |\n| --- | --- | --- |\n")
	for _, row := range table.rows {
		fmt.Fprintf(&text, "| `%s` | %s | %s |\n", row.name, row.value, strings.ReplaceAll(row.description, "|", "\\|"))
	}
	return text.String(), nil
}

type tabulator struct {
	definitions object
	rows        []row
	problems    []error
}

// add goes down where the schema names the fields, and stops where what follows is Kubernetes' own or the user's.
func (t *tabulator) add(prefix string, schema, values object) {
	properties, _ := schema["properties"].(object)
	for _, name := range sorted(properties) {
		field, _ := properties[name].(object)
		path := strings.TrimPrefix(prefix+"."+name, ".")
		description := text(field["description"])
		resolved := t.resolve(field)
		value, set := values[name]
		nested, _ := value.(object)
		if _, named := resolved["properties"]; named && description == "" {
			t.add(path, resolved, nested)
			continue
		}
		if description == "" {
			t.problems = append(t.problems, fmt.Errorf("values.schema.json: %s has no description", path))
		}
		t.rows = append(t.rows, row{name: path, value: shown(value, set), description: description})
	}
	for _, name := range sorted(values) {
		if _, known := properties[name]; !known {
			t.problems = append(t.problems, fmt.Errorf("values.yaml: %s.%s is not in values.schema.json", prefix, name))
		}
	}
}

func (t *tabulator) resolve(field object) object {
	if ref, ok := field["$ref"].(string); ok {
		target, _ := t.definitions[strings.TrimPrefix(ref, refPrefix)].(object)
		return target
	}
	return field
}

func shown(value any, set bool) string {
	if !set {
		return ""
	}
	data, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return "`" + string(data) + "`"
}

func sorted(fields object) []string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

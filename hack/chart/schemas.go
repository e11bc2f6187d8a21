// Schemas for kubeconform. Its own come from the network and allow what they don't know; these come from the OpenAPI document
// in Kubernetes' own Go module and from the chart's CRDs, and refuse every field that is not in them.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

type object = map[string]any

const refPrefix = "#/definitions/"

// writeSchemas fills out with one file for each kind, named as kubeconform's template
// {{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json asks for it, which takes the version for the core group's name.
func writeSchemas(out, swagger, crds string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	definitions, err := readDefinitions(swagger)
	if err != nil {
		return err
	}
	for name, definition := range definitions {
		for _, kind := range kindsOf(definition) {
			if err := writeKind(out, kind, standalone(name, definitions, kind)); err != nil {
				return err
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(crds, "presigned.dev_*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s holds no CRDs: run `make generate`", crds)
	}
	for _, file := range files {
		if err := writeCRD(out, file, definitions); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

type groupVersionKind struct{ Group, Version, Kind string }

func writeKind(out string, kind groupVersionKind, schema object) error {
	data, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	group := kind.Group
	if group == "" {
		group = kind.Version
	}
	name := strings.ToLower(fmt.Sprintf("%s_%s_%s.json", group, kind.Kind, kind.Version))
	return os.WriteFile(filepath.Join(out, name), data, 0o644)
}

func readDefinitions(swagger string) (map[string]object, error) {
	data, err := os.ReadFile(swagger)
	if err != nil {
		return nil, err
	}
	var document struct {
		Definitions map[string]object `json:"definitions"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	for _, definition := range document.Definitions {
		tighten(definition)
	}
	return document.Definitions, nil
}

func kindsOf(definition object) []groupVersionKind {
	list, _ := definition["x-kubernetes-group-version-kind"].([]any)
	var kinds []groupVersionKind
	for _, entry := range list {
		fields, _ := entry.(object)
		kind := groupVersionKind{Group: text(fields["group"]), Version: text(fields["version"]), Kind: text(fields["kind"])}
		// Lists and the options of calls are never files; DeleteOptions alone is of some sixty groups.
		if !strings.HasSuffix(kind.Kind, "List") && !strings.HasSuffix(kind.Kind, "Options") && kind.Kind != "WatchEvent" {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// standalone is one definition with all those that it refers to, directly or not.
func standalone(name string, all map[string]object, kind groupVersionKind) object {
	reached := map[string]object{}
	collect(name, all, reached)
	apiVersion := kind.Version
	if kind.Group != "" {
		apiVersion = kind.Group + "/" + kind.Version
	}
	return object{
		"$schema":     "http://json-schema.org/draft-07/schema#",
		"definitions": reached,
		"allOf": []any{
			object{"$ref": refPrefix + name},
			object{
				"required": []any{"apiVersion", "kind"},
				"properties": object{
					"apiVersion": object{"const": apiVersion},
					"kind":       object{"const": kind.Kind},
				},
			},
		},
	}
}

func collect(name string, all, reached map[string]object) {
	if _, done := reached[name]; done {
		return
	}
	definition, known := all[name]
	if !known {
		return
	}
	reached[name] = definition
	walk(definition, func(schema object) {
		if ref, ok := schema["$ref"].(string); ok {
			collect(strings.TrimPrefix(ref, refPrefix), all, reached)
		}
	})
}

// writeCRD writes a schema for each version that the CRD in file serves.
func writeCRD(out, file string, definitions map[string]object) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd struct {
		Spec struct {
			Group    string                `json:"group"`
			Names    struct{ Kind string } `json:"names"`
			Versions []struct {
				Name   string `json:"name"`
				Schema struct {
					OpenAPIV3Schema object `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return err
	}
	if len(crd.Spec.Versions) == 0 {
		return fmt.Errorf("no CustomResourceDefinition: it has no spec.versions")
	}
	const metadata = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
	for _, version := range crd.Spec.Versions {
		schema := version.Schema.OpenAPIV3Schema
		properties, _ := schema["properties"].(object)
		if properties == nil {
			return fmt.Errorf("version %s has no properties", version.Name)
		}
		properties["apiVersion"] = object{"type": "string"}
		properties["kind"] = object{"type": "string"}
		tighten(schema)
		properties["metadata"] = object{"$ref": refPrefix + metadata}
		kind := groupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}
		named := map[string]object{"this": schema, metadata: definitions[metadata]}
		for name, definition := range definitions {
			if strings.HasPrefix(name, "io.k8s.apimachinery.") {
				named[name] = definition
			}
		}
		if err := writeKind(out, kind, standalone("this", named, kind)); err != nil {
			return err
		}
	}
	return nil
}

// tighten makes a schema of Kubernetes' dialect a strict one of JSON Schema: what is not named is refused, also where the API server
// keeps it for an admission policy to refuse.
func tighten(schema object) {
	walk(schema, func(node object) {
		if node["format"] == "int-or-string" || node["x-kubernetes-int-or-string"] == true {
			for key := range node {
				delete(node, key)
			}
			node["anyOf"] = []any{object{"type": "integer"}, object{"type": "string"}}
			return
		}
		_, named := node["properties"]
		_, open := node["additionalProperties"]
		if named && !open {
			node["additionalProperties"] = false
		}
		if node["nullable"] == true {
			if kind, ok := node["type"].(string); ok {
				node["type"] = []any{kind, "null"}
			}
		}
	})
}

// walk calls visit for schema and every schema inside it, the outer one first. A property may be called "properties" or
// "type" (in the schema of CRDs they are), so maps of names are gone through by name, never as schemas themselves.
func walk(schema object, visit func(object)) {
	visit(schema)
	for _, key := range []string{"properties", "definitions", "patternProperties"} {
		if byName, ok := schema[key].(object); ok {
			for _, child := range byName {
				if node, ok := child.(object); ok {
					walk(node, visit)
				}
			}
		}
	}
	for _, key := range []string{"items", "additionalProperties", "not"} {
		if node, ok := schema[key].(object); ok {
			walk(node, visit)
		}
	}
	// Below these a schema only narrows what the level above names: what is named there is not all there is.
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

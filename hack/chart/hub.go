// What Chart.yaml tells Artifact Hub, compared with the CRDs, and in a release with the images and the notes.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

type hubCRD struct{ Kind, Version, Name, DisplayName, Description string }

// printExamples fails where Chart.yaml and the CRDs differ, and prints the examples as documents, for their schemas.
func printExamples(chart string) error {
	text, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		return err
	}
	var file struct{ Annotations map[string]string }
	if err := yaml.Unmarshal(text, &file); err != nil {
		return err
	}
	var told []hubCRD
	var examples []object
	if err := yaml.UnmarshalStrict([]byte(file.Annotations["artifacthub.io/crds"]), &told); err != nil {
		return fmt.Errorf("artifacthub.io/crds: %w", err)
	}
	if err := yaml.Unmarshal([]byte(file.Annotations["artifacthub.io/crdsExamples"]), &examples); err != nil {
		return fmt.Errorf("artifacthub.io/crdsExamples: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(chart, "files", "crds", "presigned.dev_*.yaml"))
	if err != nil {
		return err
	}
	var problems []error
	if len(paths) == 0 || len(paths) != len(told) {
		problems = append(problems, fmt.Errorf("artifacthub.io/crds tells of %d CRDs, and there are %d", len(told), len(paths)))
	}
	for _, path := range paths {
		problems = append(problems, compareCRD(path, told, examples))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	for _, example := range examples {
		document, err := yaml.Marshal(example)
		if err != nil {
			return err
		}
		fmt.Printf("---\n%s", document)
	}
	return nil
}

func compareCRD(path string, told []hubCRD, examples []object) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var crd struct {
		Metadata struct{ Name string }
		Spec     struct {
			Names    struct{ Kind string }
			Versions []struct{ Name string }
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return err
	}
	kind := crd.Spec.Names.Kind
	found := slices.IndexFunc(told, func(one hubCRD) bool { return one.Name == crd.Metadata.Name })
	if found < 0 || told[found].Kind != kind || told[found].DisplayName == "" || told[found].Description == "" {
		return fmt.Errorf("artifacthub.io/crds does not tell of %s, a %s", crd.Metadata.Name, kind)
	}
	for _, version := range crd.Spec.Versions {
		if version.Name == told[found].Version {
			if !slices.ContainsFunc(examples, func(one object) bool { return one["kind"] == kind }) {
				return fmt.Errorf("artifacthub.io/crdsExamples has no %s", kind)
			}
			return nil
		}
	}
	return fmt.Errorf("artifacthub.io/crds: %s has no version %s", crd.Metadata.Name, told[found].Version)
}

type hubImage struct {
	Name, Image string
	Platforms   []string
}

type hubChange struct{ Kind, Description string }

// checkReleased fails unless a released chart tells Artifact Hub of each image that it runs, and of the changes in plain text.
func checkReleased(chart string) error {
	text, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		return err
	}
	var file struct {
		AppVersion  string
		Annotations map[string]string
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return err
	}
	text, err = os.ReadFile(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return err
	}
	var values struct {
		Image struct{ Repository string }
		Tests struct{ Image string }
	}
	if err := yaml.Unmarshal(text, &values); err != nil {
		return err
	}
	var images []hubImage
	var changes []hubChange
	if err := yaml.UnmarshalStrict([]byte(file.Annotations["artifacthub.io/images"]), &images); err != nil {
		return fmt.Errorf("artifacthub.io/images: %w", err)
	}
	if err := yaml.UnmarshalStrict([]byte(file.Annotations["artifacthub.io/changes"]), &changes); err != nil {
		return fmt.Errorf("artifacthub.io/changes: %w", err)
	}
	var problems []error
	for _, wanted := range []string{values.Image.Repository + ":" + file.AppVersion, values.Tests.Image} {
		if !slices.ContainsFunc(images, func(one hubImage) bool { return one.Image == wanted && one.Name != "" }) {
			problems = append(problems, fmt.Errorf("artifacthub.io/images does not tell of %s", wanted))
		}
	}
	kinds := []string{"added", "changed", "deprecated", "removed", "fixed", "security"}
	seen := map[string]bool{}
	for _, change := range changes {
		seen[change.Kind] = true
		if !slices.Contains(kinds, change.Kind) || change.Description == "" || strings.Contains(change.Description, "](") {
			problems = append(problems, fmt.Errorf("artifacthub.io/changes: %+v is not as Artifact Hub takes it", change))
		}
	}
	if !seen["added"] || !seen["fixed"] {
		problems = append(problems, fmt.Errorf("artifacthub.io/changes has %d changes, and not each kind that the notes have", len(changes)))
	}
	return errors.Join(problems...)
}

// Does with one artifact or one Workflow what Argo Workflows does, by Argo's own code.
//
//	argo-artifact load FILE    standard input: an artifact as JSON; its driver for HTTP writes it to FILE
//	argo-artifact save FILE    the same, and the driver sends FILE
//	argo-artifact check        standard input: a Workflow as YAML; unknown fields fail, and unsound container sets
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	driver "github.com/argoproj/argo-workflows/v4/workflow/artifacts/http"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "argo-artifact:", err)
		os.Exit(1)
	}
}

func run() error {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	switch {
	case len(os.Args) == 2 && os.Args[1] == "check":
		return check(input)
	case len(os.Args) == 3 && (os.Args[1] == "load" || os.Args[1] == "save"):
		var artifact v1alpha1.Artifact
		if err := json.Unmarshal(input, &artifact); err != nil {
			return err
		}
		// Argo makes it of no more than this if the artifact has no `auth`.
		http := &driver.ArtifactDriver{Client: &http.Client{}}
		if os.Args[1] == "load" {
			return http.Load(context.Background(), &artifact, os.Args[2])
		}
		return http.Save(context.Background(), os.Args[2], &artifact)
	}
	return fmt.Errorf("say load FILE, save FILE or check")
}

func check(text []byte) error {
	var workflow v1alpha1.Workflow
	if err := yaml.UnmarshalStrict(text, &workflow); err != nil {
		return err
	}
	for _, template := range workflow.Spec.Templates {
		if template.ContainerSet == nil {
			continue
		}
		if err := template.ContainerSet.Validate(); err != nil {
			return fmt.Errorf("%s: %w", template.Name, err)
		}
	}
	return nil
}

// Command chart does for the Helm chart what no ready-made tool does without a network:
//
//	chart schemas OUT SWAGGER CRDS   strict JSON schemas for kubeconform, of Kubernetes' own kinds and of the CRDs
//	chart monitoring FILE            read the Prometheus operator's kinds in a rendered chart into its own types
//	chart rules FILE                 print the alerts in a rendered chart as promtool reads them
//	chart queries FILE               print the queries of its alerts and of its dashboard, one a line
//	chart scrape FILE SERVICES RULES ADDRESS
//	                                 print a configuration of Prometheus that does as its ServiceMonitor says
//	chart alerts FILE RUNBOOK OPERATIONS REASONS
//	                                 compare them with the documentation
//	chart draw DASHBOARD PROMETHEUS FROM TO OUT
//	                                 draw each panel of the dashboard from what a Prometheus answers: OUT.svg, OUT-dark.svg
//	chart drawn DASHBOARD SVG...     compare such pictures with the panels that there are
//	chart examples CHART             print the examples for Artifact Hub, if Chart.yaml tells of the CRDs as they are
//	chart released CHART             compare what a released chart tells Artifact Hub with what it runs
//	chart readme [--check] CHART     the table of values in the chart's README, from values.yaml and values.schema.json
package main

import (
	"fmt"
	"os"
)

const usage = `usage:
  chart schemas OUT SWAGGER CRDS
  chart monitoring FILE
  chart rules FILE
  chart queries FILE
  chart scrape FILE SERVICES RULES ADDRESS
  chart alerts FILE RUNBOOK OPERATIONS REASONS
  chart draw DASHBOARD PROMETHEUS FROM TO OUT
  chart drawn DASHBOARD SVG...
  chart examples CHART
  chart released CHART
  chart readme [--check] CHART`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "schemas":
		return writeSchemas(args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "monitoring":
		return checkMonitoring(args[1])
	case len(args) == 2 && args[0] == "rules":
		return printRules(args[1])
	case len(args) == 2 && args[0] == "queries":
		return printQueries(args[1])
	case len(args) == 5 && args[0] == "scrape":
		return printScrape(args[1], args[2], args[3], args[4])
	case len(args) == 5 && args[0] == "alerts":
		return checkMonitoringDocs(args[1], args[2], args[3], args[4])
	case len(args) == 6 && args[0] == "draw":
		return drawDashboard(args[1], args[2], args[3], args[4], args[5])
	case len(args) > 2 && args[0] == "drawn":
		return checkDrawn(args[1], args[2:])
	case len(args) == 2 && args[0] == "examples":
		return printExamples(args[1])
	case len(args) == 2 && args[0] == "released":
		return checkReleased(args[1])
	case len(args) == 2 && args[0] == "readme":
		return writeReadme(args[1])
	case len(args) == 3 && args[0] == "readme" && args[1] == "--check":
		return checkReadme(args[2])
	default:
		return fmt.Errorf("%s", usage)
	}
}

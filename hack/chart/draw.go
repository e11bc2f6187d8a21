// A picture of the dashboard: each panel is asked of a Prometheus and drawn in its place, as its JSON says. It is no screenshot
// of Grafana, and says so.
package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type dashboard struct {
	Title  string
	Panels []panel
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, LegendFormat string }
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Min        *float64
			Custom     struct{ FillOpacity float64 }
			Thresholds struct{ Steps []threshold }
		}
	}
}

type threshold struct {
	Color string
	Value *float64
}

// A series of a panel: what Prometheus answers, with its name in the legend.
type series struct {
	name   string
	points []point
}

type point struct{ seconds, value float64 }

// What of the answers is drawn, in seconds since 1970.
type window struct{ from, to, step float64 }

// As many points as a picture of this size shows.
const pointsDrawn = 90

// What a panel's query is evaluated over at the least: Grafana takes four scrapes, here of a second each.
const rateInterval = 4.0

func readDashboard(path string) (dashboard, error) {
	var read dashboard
	text, err := os.ReadFile(path)
	if err != nil {
		return read, err
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return read, fmt.Errorf("%s: %w", path, err)
	}
	if len(read.Panels) == 0 {
		return read, fmt.Errorf("%s has no panels", path)
	}
	return read, nil
}

// drawDashboard writes OUT.svg and OUT-dark.svg.
func drawDashboard(path, prometheus, from, to, out string) error {
	board, err := readDashboard(path)
	if err != nil {
		return err
	}
	shown := window{}
	if shown.from, err = strconv.ParseFloat(from, 64); err != nil {
		return err
	}
	if shown.to, err = strconv.ParseFloat(to, 64); err != nil {
		return err
	}
	shown.step = math.Max(1, math.Ceil((shown.to-shown.from)/pointsDrawn))
	var answers [][]series
	for _, panel := range board.Panels {
		found, err := ask(prometheus, panel, shown)
		if err != nil {
			return fmt.Errorf("%s: %w", panel.Title, err)
		}
		answers = append(answers, found)
	}
	for _, theme := range []theme{light, dark} {
		picture, err := drawn(board, answers, shown, theme)
		if err != nil {
			return err
		}
		if err := os.WriteFile(out+theme.suffix+".svg", []byte(picture), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ask is the series of a panel, of all its queries. A panel that has no number to show is an error.
func ask(prometheus string, of panel, shown window) ([]series, error) {
	seconds := func(value float64) string { return fmt.Sprintf("%.0fs", value) }
	variables := strings.NewReplacer("$__rate_interval", seconds(math.Max(rateInterval, shown.step+1)),
		"$__range", seconds(shown.to-shown.from), "$namespace", ".*")
	var found []series
	for _, target := range of.Targets {
		query := url.Values{"query": {variables.Replace(target.Expr)}}
		for name, value := range map[string]float64{"start": shown.from, "end": shown.to, "step": shown.step} {
			query.Set(name, strconv.FormatFloat(value, 'f', -1, 64))
		}
		client := http.Client{Timeout: 10 * time.Second}
		answer, err := client.Get(prometheus + "/api/v1/query_range?" + query.Encode())
		if err != nil {
			return nil, err
		}
		var read struct {
			Status, Error string
			Data          struct {
				Result []struct {
					Metric map[string]string
					Values [][2]any
				}
			}
		}
		err = json.NewDecoder(answer.Body).Decode(&read)
		answer.Body.Close()
		if err != nil {
			return nil, err
		}
		if read.Status != "success" {
			return nil, errors.New(read.Error)
		}
		for _, result := range read.Data.Result {
			one := series{name: legend(target.LegendFormat, result.Metric)}
			for _, value := range result.Values {
				at, _ := value[0].(float64)
				text, _ := value[1].(string)
				number, err := strconv.ParseFloat(text, 64)
				if err != nil {
					return nil, err
				}
				// What no bucket says is a gap, as in Grafana.
				if !math.IsNaN(number) && !math.IsInf(number, 0) {
					one.points = append(one.points, point{at, number})
				}
			}
			if len(one.points) > 0 {
				found = append(found, one)
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("there is nothing to show")
	}
	slices.SortStableFunc(found, func(a, b series) int { return strings.Compare(a.name, b.name) })
	return found, nil
}

var legendLabel = regexp.MustCompile(`\{\{ *(\w+) *\}\}`)

func legend(format string, labels map[string]string) string {
	return legendLabel.ReplaceAllStringFunc(format, func(found string) string {
		return labels[legendLabel.FindStringSubmatch(found)[1]]
	})
}

// checkDrawn compares pictures with the dashboard: each panel is there, under its title and in its place.
func checkDrawn(path string, pictures []string) error {
	board, err := readDashboard(path)
	if err != nil {
		return err
	}
	var problems []error
	for _, picture := range pictures {
		text, err := os.ReadFile(picture)
		if err != nil {
			return err
		}
		var svg struct {
			Groups []struct {
				Panel string `xml:"data-panel,attr"`
				Title string `xml:"title"`
			} `xml:"g"`
		}
		if err := xml.Unmarshal(text, &svg); err != nil {
			return fmt.Errorf("%s: %w", picture, err)
		}
		there := map[string]bool{}
		for _, group := range svg.Groups {
			there[group.Panel+" "+group.Title] = true
		}
		for _, panel := range board.Panels {
			key := panel.place() + " " + panel.Title
			if !there[key] {
				problems = append(problems, fmt.Errorf("%s has no drawing of %q in its place: run `make dashboard-picture`", picture, panel.Title))
			}
			delete(there, key)
		}
		for key := range there {
			problems = append(problems, fmt.Errorf("%s draws what the dashboard does not have: %s", picture, key))
		}
	}
	return errors.Join(problems...)
}

// place says what a panel is and where, for the picture and for who compares them.
func (p panel) place() string {
	return fmt.Sprintf("%s %d,%d %dx%d %s", p.Type, p.GridPos.X, p.GridPos.Y, p.GridPos.W, p.GridPos.H, p.FieldConfig.Defaults.Unit)
}

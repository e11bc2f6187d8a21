// How a panel of the dashboard looks in SVG: a number, or lines over time with axes and a legend.
package main

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
	"time"
)

// The grid of Grafana has 24 columns; the heights are its own.
const (
	column    = 40
	rowHeight = 38
	gap       = 8
	header    = 44
	textWidth = 5.9 // of a letter of 11 px, about
)

type theme struct {
	suffix, page, panel, border, text, dim, grid string
	lines                                        []string
	colors                                       map[string]string
}

var light = theme{
	page: "#f4f5f5", panel: "#ffffff", border: "#d8dadd", text: "#24292e", dim: "#5f6670", grid: "#e6e8ea",
	lines:  []string{"#2f8132", "#b07d00", "#1f60c4", "#c4162a", "#8f3bb8", "#00838f", "#d4551f", "#5c4a8a", "#6b7a10", "#ad3d7a"},
	colors: map[string]string{"green": "#1a7f37", "orange": "#bc4c00", "red": "#c4162a"},
}

var dark = theme{
	suffix: "-dark",
	page:   "#111217", panel: "#181b1f", border: "#2c3036", text: "#d0d3d8", dim: "#9aa0a8", grid: "#2a2e34",
	lines:  []string{"#73bf69", "#f2cc0c", "#6ea6ff", "#ff6b7d", "#ca95e5", "#4dd0e1", "#ff9830", "#a795d8", "#b8c14a", "#f48fb9"},
	colors: map[string]string{"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c"},
}

type drawing struct {
	strings.Builder
	theme theme
	shown window
}

func (d *drawing) add(format string, values ...any) { fmt.Fprintf(&d.Builder, format, values...) }

func (d *drawing) text(x, y float64, style, text string) {
	d.add(`<text x="%s" y="%s" %s>%s</text>`, short(x), short(y), style, html.EscapeString(text))
}

// short is a place in the picture: a tenth of a pixel is enough.
func short(value float64) string {
	return strconv.FormatFloat(math.Round(value*10)/10, 'f', -1, 64)
}

// drawn is the whole picture. Each panel is a group with its title.
func drawn(board dashboard, answers [][]series, shown window, theme theme) (string, error) {
	height := 0
	for _, panel := range board.Panels {
		height = max(height, panel.GridPos.Y+panel.GridPos.H)
	}
	width, high := 24*column+gap, header+height*rowHeight+gap
	d := drawing{theme: theme, shown: shown}
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="Inter, Helvetica, Arial, sans-serif" font-size="11" fill="%s">`,
		width, high, width, high, theme.text)
	d.add("\n<rect width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", width, high, theme.page)
	d.text(gap, 19, `font-size="15" font-weight="600"`, board.Title)
	d.text(gap, 36, `fill="`+theme.dim+`"`, fmt.Sprintf(
		"Drawn from the data of a test, %s of it; not a screenshot of Grafana. Times are UTC.", duration(shown.to-shown.from)))
	d.add("\n")
	for i, panel := range board.Panels {
		x, y := float64(panel.GridPos.X*column+gap), float64(header+panel.GridPos.Y*rowHeight)
		w, h := float64(panel.GridPos.W*column-gap), float64(panel.GridPos.H*rowHeight-gap)
		d.add(`<g data-panel="%s"><title>%s</title><rect x="%s" y="%s" width="%s" height="%s" rx="3" fill="%s" stroke="%s"/>`,
			html.EscapeString(panel.place()), html.EscapeString(panel.Title), short(x), short(y), short(w), short(h), theme.panel, theme.border)
		top := y + 18
		for n, line := range broken(panel.Title, w-20) {
			top = y + 18 + float64(n)*14
			d.text(x+10, top, `font-weight="500"`, line)
		}
		switch panel.Type {
		case "stat":
			d.number(panel, answers[i], x, w, (top+y+h)/2)
		case "timeseries":
			d.lines(panel, answers[i], x, top+10, w, y+h-top-10)
		default:
			return "", fmt.Errorf("%s: a panel of the type %s can't be drawn", panel.Title, panel.Type)
		}
		d.add("</g>\n")
	}
	d.add("</svg>\n")
	return d.String(), nil
}

// broken is a title in lines that fit.
func broken(title string, width float64) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(title) {
		if line != "" && float64(len(line)+1+len(word))*textWidth > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// number draws the last value, in the color of its threshold.
func (d *drawing) number(of panel, found []series, x, w, y float64) {
	points := found[0].points
	value := points[len(points)-1].value
	color := d.theme.text
	for _, step := range of.FieldConfig.Defaults.Thresholds.Steps {
		if named, known := d.theme.colors[step.Color]; known && (step.Value == nil || value >= *step.Value) {
			color = named
		}
	}
	d.text(x+w/2, y+14, fmt.Sprintf(`font-size="30" font-weight="600" text-anchor="middle" fill="%s"`, color), inUnit(of.FieldConfig.Defaults.Unit, value))
}

// lines draws the series over time.
func (d *drawing) lines(of panel, found []series, x, y, w, h float64) {
	const left, right, axis = 58, 12, 18
	entries := legendRows(found, w-20)
	bottom := y + h - float64(len(entries))*16 - axis - 4
	low, high := math.Inf(1), math.Inf(-1)
	for _, one := range found {
		for _, point := range one.points {
			low, high = math.Min(low, point.value), math.Max(high, point.value)
		}
	}
	if least := of.FieldConfig.Defaults.Min; least != nil {
		low = math.Min(*least, low)
	}
	ticks := ticksOf(low, high, 5)
	low, high = ticks[0], ticks[len(ticks)-1]
	atX := func(seconds float64) float64 {
		return x + left + (seconds-d.shown.from)/(d.shown.to-d.shown.from)*(w-left-right)
	}
	atY := func(value float64) float64 { return bottom - (value-low)/(high-low)*(bottom-y) }
	d.add(`<g font-size="10" fill="%s">`, d.theme.dim)
	for _, tick := range ticks {
		d.add(`<path d="M%s %sh%s" stroke="%s"/>`, short(x+left), short(atY(tick)), short(w-left-right), d.theme.grid)
		d.text(x+left-6, atY(tick)+3.5, `text-anchor="end"`, inUnit(of.FieldConfig.Defaults.Unit, tick))
	}
	every := timeStep(d.shown.to - d.shown.from)
	for at := math.Ceil(d.shown.from/every) * every; at <= d.shown.to; at += every {
		d.text(atX(at), bottom+14, `text-anchor="middle"`, time.Unix(int64(at), 0).UTC().Format("15:04:05"))
	}
	d.add("</g>")
	colors := map[string]string{}
	for i, one := range found {
		color := d.theme.lines[i%len(d.theme.lines)]
		colors[one.name] = color
		for _, part := range parts(one.points, d.shown.step) {
			d.line(part, color, of.FieldConfig.Defaults.Custom.FillOpacity/100, bottom, atX, atY)
		}
	}
	for n, entries := range entries {
		at := x + 10
		for _, name := range entries {
			base := bottom + axis + 16*float64(n) + 15
			d.add(`<path d="M%s %sh12" stroke="%s" stroke-width="3"/>`, short(at), short(base-3.5), colors[name])
			d.text(at+16, base, "", name)
			at += legendWidth(name)
		}
	}
}

// line draws one line without gaps, and what is below it.
func (d *drawing) line(points []point, color string, opacity, bottom float64, atX, atY func(float64) float64) {
	var path strings.Builder
	for i, point := range points {
		// In the middle of a level stretch.
		if i > 0 && i < len(points)-1 && points[i-1].value == point.value && points[i+1].value == point.value {
			continue
		}
		letter := "L"
		if i == 0 {
			letter = "M"
		}
		fmt.Fprintf(&path, "%s%s %s", letter, short(atX(point.seconds)), short(atY(point.value)))
	}
	first, last := points[0], points[len(points)-1]
	if len(points) == 1 {
		d.add(`<circle cx="%s" cy="%s" r="1.5" fill="%s"/>`, short(atX(first.seconds)), short(atY(first.value)), color)
		return
	}
	if opacity > 0 {
		d.add(`<path d="%sL%s %sL%s %sZ" fill="%s" fill-opacity="%s"/>`, path.String(), short(atX(last.seconds)), short(bottom),
			short(atX(first.seconds)), short(bottom), color, strconv.FormatFloat(opacity, 'f', -1, 64))
	}
	d.add(`<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>`, path.String(), color)
}

// parts are the stretches of a series without a gap.
func parts(points []point, step float64) [][]point {
	var found [][]point
	for i, point := range points {
		if i == 0 || point.seconds-points[i-1].seconds > 1.5*step {
			found = append(found, nil)
		}
		found[len(found)-1] = append(found[len(found)-1], point)
	}
	return found
}

func legendWidth(name string) float64 { return 16 + float64(len(name))*textWidth + 14 }

func legendRows(found []series, width float64) [][]string {
	rows, used := [][]string{nil}, 0.0
	for _, one := range found {
		if used > 0 && used+legendWidth(one.name) > width {
			rows, used = append(rows, nil), 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], one.name)
		used += legendWidth(one.name)
	}
	return rows
}

// ticksOf are round numbers around two values, about as many as wanted.
func ticksOf(low, high float64, wanted int) []float64 {
	if high-low < 1e-9*math.Max(1, math.Abs(high)) {
		high = low + 1
	}
	rough := (high - low) / float64(wanted-1)
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	step := 10 * power
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= rough*0.999 {
			step = factor * power
			break
		}
	}
	var ticks []float64
	first, last := math.Floor(low/step+1e-9), math.Ceil(high/step-1e-9)
	for n := first; n <= last; n++ {
		ticks = append(ticks, n*step)
	}
	return ticks
}

func timeStep(span float64) float64 {
	for _, step := range []float64{5, 10, 15, 30, 60, 120, 300, 600, 1800} {
		if span/step <= 6 {
			return step
		}
	}
	return 3600
}

// inUnit writes a value as Grafana does with these units.
func inUnit(unit string, value float64) string {
	switch unit {
	case "s":
		return duration(value)
	case "reqps":
		return digits(value) + " req/s"
	default:
		return digits(value)
	}
}

func digits(value float64) string {
	switch size := math.Abs(value); {
	case size >= 1e6:
		return digits(value/1e6) + " Mil"
	case size >= 1e3:
		return digits(value/1e3) + " K"
	}
	return strconv.FormatFloat(value, 'g', 3, 64)
}

func duration(seconds float64) string {
	size := math.Abs(seconds)
	for _, unit := range []struct {
		name string
		of   float64
	}{{"day", 86400}, {"hour", 3600}, {"min", 60}, {"s", 1}, {"ms", 1e-3}, {"µs", 1e-6}} {
		if size >= unit.of {
			return digits(seconds/unit.of) + " " + unit.name
		}
	}
	return "0 s"
}

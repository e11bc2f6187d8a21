// Runs Argo CD health scripts as Argo CD runs them: the scripts are those that docs/gitops.md shows.
//
//	lua PAGE           standard input: a JSON array of {"kind", "object"}; output: a JSON array of {"status", "message"}
//
// Argo CD sets the global `obj` to the object and takes the table that the script returns. It opens the table, string
// and math libraries and of the base one only what reaches no file; so does this.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

const group = "presigned.dev"

type question struct {
	Kind   string         `json:"kind"`
	Object map[string]any `json:"object"`
}

type answer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "lua:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: lua PAGE <questions")
	}
	page, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	scripts, err := scripts(string(page))
	if err != nil {
		return err
	}
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		return err
	}
	answers := make([]answer, 0, len(questions))
	for i, q := range questions {
		script, found := scripts[q.Kind]
		if !found {
			return fmt.Errorf("%s has no script for %s", os.Args[1], q.Kind)
		}
		a, err := health(script, q.Object)
		if err != nil {
			return fmt.Errorf("question %d, %s: %w", i, q.Kind, err)
		}
		answers = append(answers, a)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// The scripts of a page by kind: those of the argocd-cm ConfigMap among its YAML blocks.
func scripts(page string) (map[string]string, error) {
	found := map[string]string{}
	for _, block := range strings.Split(page, "```yaml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		var object struct {
			Data map[string]string `json:"data"`
		}
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			continue // Not one object: another block of the page.
		}
		for key, script := range object.Data {
			if kind, is := strings.CutPrefix(key, "resource.customizations.health."+group+"_"); is {
				found[kind] = script
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("the page holds no health script")
	}
	return found, nil
}

func health(script string, object map[string]any) (answer, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
		{lua.StringLibName, lua.OpenString},
		{lua.MathLibName, lua.OpenMath},
	} {
		state.Push(state.NewFunction(library.open))
		state.Push(lua.LString(library.name))
		state.Call(1, 0)
	}
	for _, name := range []string{"dofile", "loadfile", "require", "module"} {
		state.SetGlobal(name, lua.LNil)
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return answer{}, err
	}
	table, is := state.Get(-1).(*lua.LTable)
	if !is {
		return answer{}, errors.New("the script returns no table")
	}
	a := answer{
		Status:  lua.LVAsString(table.RawGetString("status")),
		Message: lua.LVAsString(table.RawGetString("message")),
	}
	switch a.Status {
	case "Healthy", "Progressing", "Degraded", "Suspended":
		return a, nil
	}
	return answer{}, fmt.Errorf("%q is no status of Argo CD", a.Status)
}

// A JSON value in Lua.
func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		table := state.CreateTable(len(from), 0)
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(from))
		for name, item := range from {
			table.RawSetString(name, value(state, item))
		}
		return table
	}
	return lua.LNil
}

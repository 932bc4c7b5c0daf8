// Command vulnreport reads the output of "govulncheck -format json" and says what a person must do about it.
//
// A known fault that this program's code reaches and that a newer version of a module mends is a failure: the update is
// one line. One of the standard library is mended by the Go that builds a release, not by a change here, so it is
// listed with the version that mends it; the files named by the arguments (Dockerfile, README.md) must name that
// version of Go or a newer one. What is in a module but is not reached is counted, and fails nothing.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// message is one of the values that govulncheck writes; the kinds that are not named here are passed over.
type message struct {
	OSV *struct {
		ID      string `json:"id"`
		Summary string `json:"summary"`
	} `json:"osv"`
	Finding *finding `json:"finding"`
}

type finding struct {
	OSV   string  `json:"osv"`
	Fixed string  `json:"fixed_version"` // "" when nothing mends it yet
	Trace []frame `json:"trace"`         // from the faulty symbol outwards
}

// frame holds a function only where the code was found to reach it.
type frame struct {
	Module   string `json:"module"`
	Version  string `json:"version"`
	Function string `json:"function"`
}

const standard = "stdlib"

// report is what was found, one line for each fault.
type report struct {
	updates  []string // reached, and mended by a newer version of a module
	waiting  []string // reached, and mended by nothing yet
	standard []string // reached, and mended by a newer Go
	needs    string   // that Go, such as go1.26.10; "" when the present one is good
	silent   int      // not reached
}

func main() {
	r, err := read(os.Stdin)
	if err == nil {
		err = r.judge(os.Stdout, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// read gathers the findings. A fault comes once for the module, once for the package and once for each symbol: it is
// reached when one of these names a function.
func read(in io.Reader) (report, error) {
	summaries, reached, all := map[string]string{}, map[string]finding{}, map[string]bool{}
	for d := json.NewDecoder(in); ; {
		var m message
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return report{}, fmt.Errorf("the output of govulncheck cannot be read: %w", err)
		}
		if m.OSV != nil {
			summaries[m.OSV.ID] = m.OSV.Summary
		}
		if f := m.Finding; f != nil && len(f.Trace) > 0 {
			all[f.OSV] = true
			if f.Trace[0].Function != "" {
				reached[f.OSV] = *f
			}
		}
	}
	r := report{silent: len(all) - len(reached)}
	for id, f := range reached {
		at := f.Trace[0]
		line := fmt.Sprintf("%s %s %s: %s", id, at.Module, at.Version, summaries[id])
		switch {
		case f.Fixed == "":
			r.waiting = append(r.waiting, line)
		case at.Module == standard:
			r.standard = append(r.standard, fmt.Sprintf("%s (mended by Go %s)", line, strings.TrimPrefix(f.Fixed, "v")))
			if fixed := "go" + strings.TrimPrefix(f.Fixed, "v"); version.Compare(fixed, r.needs) > 0 {
				r.needs = fixed
			}
		default:
			r.updates = append(r.updates, fmt.Sprintf("%s (go get %s@%s)", line, at.Module, f.Fixed))
		}
	}
	slices.Sort(r.updates)
	slices.Sort(r.waiting)
	slices.Sort(r.standard)
	return r, nil
}

// goNamed finds versions of Go as a Dockerfile and a text for people name them.
var goNamed = regexp.MustCompile(`(?:golang:|\bGo )(1\.\d+(?:\.\d+)?)`)

// judge writes the report and returns what fails.
func (r report) judge(out io.Writer, files []string) error {
	list := func(title string, lines []string) {
		if len(lines) > 0 {
			_, _ = fmt.Fprintf(out, "%s\n  %s\n", title, strings.Join(lines, "\n  ")) // the standard output
		}
	}
	list("reached, and mended by an update of a module:", r.updates)
	list("reached, and mended by nothing yet:", r.waiting)
	list("reached in the standard library:", r.standard)
	if r.needs != "" {
		list("build a release with "+strings.Replace(r.needs, "go", "Go ", 1)+" or newer", []string{"the programs that CI builds are for its tests alone"})
	}
	_, _ = fmt.Fprintf(out, "known faults: %d reached, %d in modules and not reached\n",
		len(r.updates)+len(r.waiting)+len(r.standard), r.silent) // the standard output
	var failed []error
	if len(r.updates) > 0 {
		failed = append(failed, fmt.Errorf("%d known faults are mended by an update of a module", len(r.updates)))
	}
	for _, name := range files {
		failed = append(failed, r.named(name))
	}
	return errors.Join(failed...)
}

// named holds the versions of Go that a file names against the one that is needed.
func (r report) named(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	found := goNamed.FindAllStringSubmatch(string(text), -1)
	if len(found) == 0 {
		return fmt.Errorf("%s names no version of Go to build a release with", name)
	}
	for _, f := range found {
		if version.Compare("go"+f[1], r.needs) < 0 {
			return fmt.Errorf("%s names Go %s; a release needs %s or newer", name, f[1], r.needs)
		}
	}
	return nil
}

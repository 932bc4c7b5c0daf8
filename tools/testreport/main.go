// Command testreport reads the output of "go test -json" and says what a person must know: what failed and why, which
// tests were skipped and why, and on which engines and versions the tests ran (the lines "engine: …" that the suites
// print).
//
// A skipped test whose reason begins with "needs mongod" is counted apart: it
// asks for a MongoDB with transactions where there is only the stand-in. With
// -strict any other test that skips as a whole is a failure, since its suite
// could have run; a case within a suite may say that it does not apply. A test
// that "runs only as a child" of another is that one's second process, and is
// left out of the count.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

type test struct{ pkg, name string }

type report struct {
	passed, failed int
	engines        map[string]bool
	needsMongod    []string
	otherSkips     map[string][]string // tests by reason
	skipped        int                 // tests in otherSkips
	wholeSkips     int                 // of otherSkips, those that are no subtests
	complaints     []string            // output of what failed
	packages       []string            // one line each

	output   map[test]*strings.Builder
	parents  map[test]bool // tests with subtests: their children are counted
	failedIn map[string]bool
}

func main() {
	strict := flag.Bool("strict", false, "a test skipped as a whole fails, unless it needs mongod")
	needsFile := flag.String("needs", "", "file to which the tests that need mongod are added")
	enginesFile := flag.String("engines", "", "file to which the engines are added")
	flag.Parse()
	r, err := read(os.Stdin)
	if err == nil {
		err = appendLines(*needsFile, r.needsMongod)
	}
	if err == nil {
		err = appendLines(*enginesFile, slices.Sorted(maps.Keys(r.engines)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	if !r.write(os.Stdout, *strict) {
		os.Exit(1)
	}
}

var (
	engineLine = regexp.MustCompile(`(?:^|: )engine: (\S.*\S)`)
	sourceLine = regexp.MustCompile(`^\s*\S+\.go:\d+: `)
)

func read(in io.Reader) (*report, error) {
	r := &report{
		engines: map[string]bool{}, otherSkips: map[string][]string{}, output: map[test]*strings.Builder{},
		parents: map[test]bool{}, failedIn: map[string]bool{},
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			// The build's own messages may stand between the events.
			r.complaints = append(r.complaints, lines.Text())
			continue
		}
		r.take(e)
	}
	return r, lines.Err()
}

func (r *report) take(e event) {
	key := test{e.Package, e.Test}
	switch e.Action {
	case "run":
		if parent := strings.LastIndex(e.Test, "/"); parent >= 0 {
			r.parents[test{e.Package, e.Test[:parent]}] = true
		}
	case "output":
		if m := engineLine.FindStringSubmatch(e.Output); m != nil {
			r.engines[m[1]] = true
		}
		if r.output[key] == nil {
			r.output[key] = &strings.Builder{}
		}
		r.output[key].WriteString(e.Output) // a Builder's error is always nil
	case "build-output":
		r.complaints = append(r.complaints, strings.TrimRight(e.Output, "\n"))
	case "pass":
		r.done(key, e, "ok")
	case "fail":
		r.done(key, e, "FAIL")
		r.complain(key)
	case "skip":
		if e.Test == "" {
			return // a package without tests
		}
		r.skip(key)
	}
}

// done counts a test that has no subtests, or notes the end of a package.
func (r *report) done(key test, e event, word string) {
	if key.name == "" {
		r.packages = append(r.packages, fmt.Sprintf("%-4s  %s  %.1fs", word, key.pkg, e.Elapsed))
		if word == "FAIL" && !r.failedIn[key.pkg] {
			r.failed++ // it did not compile, or ended outside its tests
		}
		return
	}
	switch {
	case r.parents[key]:
	case word == "ok":
		r.passed++
		delete(r.output, key)
	default:
		r.failed++
		r.failedIn[key.pkg] = true
	}
}

func (r *report) complain(key test) {
	if text := r.output[key]; text != nil {
		r.complaints = append(r.complaints, "--- "+key.pkg+" "+key.name, strings.TrimRight(text.String(), "\n"))
	}
}

func (r *report) skip(key test) {
	reason := "no reason given"
	if text := r.output[key]; text != nil {
		for line := range strings.Lines(text.String()) {
			if at := sourceLine.FindString(line); at != "" {
				reason = strings.TrimSpace(line[len(at):])
			}
		}
	}
	name := strings.TrimPrefix(key.pkg, "fieldclue/") + " " + key.name
	if strings.HasPrefix(reason, "runs only as a child") {
		return
	}
	if strings.HasPrefix(reason, "needs mongod") {
		r.needsMongod = append(r.needsMongod, name+": "+reason)
		return
	}
	r.otherSkips[reason] = append(r.otherSkips[reason], name)
	r.skipped++
	if !strings.Contains(key.name, "/") {
		r.wholeSkips++
	}
}

// write prints the report and says whether all is well.
func (r *report) write(out io.Writer, strict bool) bool {
	p := func(format string, args ...any) {
		// Standard output is for a person; when it is gone nobody reads on.
		_, _ = fmt.Fprintf(out, format+"\n", args...)
	}
	if r.failed > 0 || r.passed == 0 {
		for _, line := range r.complaints {
			p("%s", line)
		}
	}
	for _, line := range r.packages {
		p("%s", line)
	}
	for _, engine := range slices.Sorted(maps.Keys(r.engines)) {
		p("engine: %s", engine)
	}
	for _, reason := range slices.Sorted(maps.Keys(r.otherSkips)) {
		tests := r.otherSkips[reason]
		p("skipped: %s", reason)
		for _, name := range tests[:min(len(tests), 5)] {
			p("    %s", name)
		}
		if more := len(tests) - 5; more > 0 {
			p("    and %d more", more)
		}
	}
	p("%d passed, %d failed, %d skipped, %d need mongod", r.passed, r.failed, r.skipped, len(r.needsMongod))
	switch {
	case r.failed > 0:
		return false
	case r.passed == 0:
		p("no test ran")
		return false
	case strict && r.wholeSkips > 0:
		p("a suite that could run was skipped")
		return false
	}
	return true
}

func appendLines(path string, lines []string) error {
	if path == "" || len(lines) == 0 {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		_ = file.Close() // the first error says what is wrong
		return err
	}
	return file.Close()
}

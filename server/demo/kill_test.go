package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lines of the table that every run must end with, whatever happened before: written, stored, equal.
var want = []string{"reports 6 6 6 ✓", "answers 72 72 72 ✓", "photos 15 15 15 ✓", "interviews 4 4 4 ✓", "findings 6 6 6 ✓"}

// program builds the server once.
func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("plays the whole demo; skipped with -short")
	}
	path := filepath.Join(t.TempDir(), "fieldclue")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "fieldclue/server").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// play runs the demo; after some time its process is killed, unless that is 0.
func play(t *testing.T, path, dir string, after time.Duration) (out string, killed bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "demo", "--exit", "--data", dir)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		timer := time.AfterFunc(after, cancel) // SIGKILL
		defer timer.Stop()
	}
	err := cmd.Wait()
	if ctx.Err() != nil && t.Context().Err() == nil {
		return b.String(), true
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return b.String(), false
}

// table gives the lines of the table without what differs from run to run.
func table(out string) []string {
	row := regexp.MustCompile(`(reports|answers|photos|interviews|findings|photo bytes|fields) +(?:\d+ +){3}(\d+) +(\d+) +(\d+) (.)`)
	var lines []string
	for _, m := range row.FindAllStringSubmatch(out, -1) {
		lines = append(lines, strings.Join(m[1:], " "))
	}
	return lines
}

func check(t *testing.T, out string) {
	t.Helper()
	got := table(out)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("the table lacks %q", line)
		}
	}
	if !strings.Contains(out, "duplicates      0") || !strings.Contains(out, "every figure is right") {
		t.Error("not every figure is right")
	}
	if t.Failed() {
		t.Log(out)
	}
}

// TestKilledAtAnyMomentTheDemoEndsWithTheSameTable kills the whole program, server and phones, again and again.
// FIELDCLUE_DEMO_KILLS raises the number of kills for a soak; FIELDCLUE_DEMO_SEED chooses other moments.
func TestKilledAtAnyMomentTheDemoEndsWithTheSameTable(t *testing.T) {
	path, dir := program(t), t.TempDir()
	kills, seed := number("FIELDCLUE_DEMO_KILLS", few()), number("FIELDCLUE_DEMO_SEED", 1)
	random := rand.New(rand.NewPCG(uint64(seed), 3))
	hit := 0
	for n := 1; n <= kills; n++ {
		after := 300*time.Millisecond + time.Duration(random.Float64()*float64(2500*time.Millisecond))
		_, killed := play(t, path, dir, after)
		if killed {
			hit++
		} else {
			t.Logf("it was done before kill %d", n)
			if kills <= 6 {
				break
			}
			dir = t.TempDir() // a soak begins another story
		}
	}
	if hit == 0 {
		t.Error("nothing was killed")
	}
	first, _ := play(t, path, dir, 0)
	check(t, first)
	again, _ := play(t, path, dir, 0)
	check(t, again)
	if !slices.Equal(table(first), table(again)) {
		t.Errorf("the table changed:\n%v\n%v", table(first), table(again))
	}
	tryCommands(t, path, dir)
}

// few are the kills of a run that is no soak: two, and six in the long form that CI runs.
func few() int {
	if os.Getenv("FIELDCLUE_TEST_LONG") != "" {
		return 6
	}
	return 2
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// tryCommands starts the demo again, as a person would, and types what it prints.
func tryCommands(t *testing.T, path, dir string) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("curl is not installed: the three commands were not tried")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "demo", "--data", dir, "--listen", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var commands []string
	var url string
	people := 0
	for s := bufio.NewScanner(stdout); s.Scan() && !strings.HasPrefix(s.Text(), "Serving at"); {
		if line := strings.TrimSpace(s.Text()); strings.HasPrefix(line, "TOKEN=") || strings.HasPrefix(line, "curl ") {
			commands = append(commands, line)
		} else if at, found := strings.CutPrefix(line, "sign in at "); found {
			url, _, _ = strings.Cut(at, " ")
		} else if w := strings.Fields(line); len(w) > 3 && strings.HasPrefix(w[1], "demo-") {
			people++
			signsIn(t, url, w[0], w[1], w[2])
		}
	}
	if people < 10 {
		t.Errorf("%d people can sign in", people)
	}
	if len(commands) != 3 {
		t.Fatalf("three commands are promised, these were printed: %q", commands)
	}
	for _, c := range commands[1:] {
		out, err := exec.CommandContext(ctx, "sh", "-c", commands[0]+"\n"+c+" --fail").CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "{") {
			t.Errorf("%s\n%v\n%s", c, err, out)
		}
	}
	cancel()
	_ = cmd.Wait() // it was interrupted
}

// signsIn signs somebody in as the demo says that it can be done.
func signsIn(t *testing.T, url, login, password, device string) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(fmt.Sprintf(`{"login":%q,"password":%q,"device":{"id":%q}}`, login, password, device)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // its status says all
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s does not sign in as it is printed: %s", login, resp.Status)
	}
}

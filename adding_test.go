package fieldclue_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	shownFile = regexp.MustCompile("`(server/[a-z_/]+\\.go)`")
	shownText = regexp.MustCompile("(?s)```(go|diff)\n(.*?)```")
	addedLine = regexp.MustCompile(`(?m)^ (.*)\n\+(.*)$`)
)

// The kind of docs/adding.md is taken by the program as it is: it says what every kind says, openapi.yaml is written
// from it, and its story runs through every door.
func TestThePageOnAddingAddsAKind(t *testing.T) {
	page, err := os.ReadFile("docs/adding.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for i, part := range strings.Split(string(page), "\n**")[1:6] {
		place := shownFile.FindStringSubmatch(part)
		block := shownText.FindStringSubmatch(part)
		if place == nil || block == nil {
			continue
		}
		text := block[2]
		if block[1] == "diff" {
			old, err := os.ReadFile(place[1])
			if err != nil {
				t.Fatal(err)
			}
			change := addedLine.FindStringSubmatch(text)
			if change == nil || strings.Count(string(old), "\n"+change[1]+"\n") != 1 {
				t.Fatalf("%s does not have the line before what part %d adds", place[1], i+1)
			}
			text = strings.Replace(string(old), "\n"+change[1]+"\n", "\n"+change[1]+"\n"+change[2]+"\n", 1)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), place[1], text, parser.SkipObjectResolution); err != nil {
			t.Error(err)
		}
		file := filepath.Join(dir, strings.ReplaceAll(place[1], "/", "_"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, place[1])] = file
	}
	if len(overlay.Replace) != 4 {
		t.Fatalf("the page shows %d files: %v", len(overlay.Replace), overlay.Replace)
	}
	overlay.Replace[filepath.Join(root, "openapi.yaml")] = filepath.Join(dir, "openapi.yaml")
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	api := filepath.Join(dir, "openapi.yaml")
	old, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{"overlay.json": list, "openapi.yaml": old} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"run", "-overlay", filepath.Join(dir, "overlay.json"), "./server/api/schemagen", api},
		{"test", "-overlay", filepath.Join(dir, "overlay.json"), "-run", "TestEveryKind|TestWhatAKind|TestTheDesk", "./server/field"},
		{"test", "-overlay", filepath.Join(dir, "overlay.json"), "-run", "TestARectification", "./server/api"},
	} {
		if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
			t.Fatalf("The kind that docs/adding.md shows is not as kinds are now: mend the page. go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	written, err := os.ReadFile(api)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"createRectification", "listRectifications", "getRectification", "editRectification", "claimRectification", "settleRectification"} {
		if !strings.Contains(string(written), "operationId: "+id+"\n") {
			t.Errorf("openapi.yaml would not have %s", id)
		}
	}
}

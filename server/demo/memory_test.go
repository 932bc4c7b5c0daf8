package demo

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAStepIsPlayedOnceEvenWhenItsNoteWasTorn(t *testing.T) {
	dir := t.TempDir()
	played := 0
	open := func() *demo {
		t.Helper()
		m, err := remember(dir)
		if err != nil {
			t.Fatal(err)
		}
		return &demo{memory: m}
	}
	play := func(d *demo, name string) int {
		t.Helper()
		n, err := step(d, name, func() (int, error) { played++; return played, nil })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	d := open()
	story := d.memory.story
	if play(d, "a") != 1 || play(d, "b") != 2 || play(d, "a") != 1 {
		t.Fatal("a step was played twice")
	}
	if err := d.memory.close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "steps")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	d = open()
	if d.memory.story.Seed != story.Seed || !d.memory.story.Start.Equal(story.Start) || d.memory.password("x") != (&memory{story: story}).password("x") {
		t.Fatal("another story")
	}
	if play(d, "a") != 1 || play(d, "b") != 3 || play(d, "c") != 4 {
		t.Fatal("the torn step was not played again, or another one was")
	}
	if err := d.memory.close(); err != nil {
		t.Fatal(err)
	}
	d = open()
	if play(d, "b") != 3 || play(d, "c") != 4 {
		t.Fatal("what follows a torn note is lost")
	}
	info, err := os.Stat(filepath.Join(dir, "story.json"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Fatalf("the secret is readable: %v", info.Mode())
	}
	if err := d.memory.close(); err != nil {
		t.Fatal(err)
	}
}

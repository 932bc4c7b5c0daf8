package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// However a test comes to a server, it is named; one that comes to none is not.
func TestWhoAsksForAServerIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		source string
		want   []string
	}{
		"itself":            {`func TestA(t *testing.T) { mongotest.Start(t) }; func TestB(t *testing.T) {}`, []string{"TestA"}},
		"by helpers":        {`func start() { mongotest.Start(nil) }; func world() { start() }; func TestA(t *testing.T) { world() }`, []string{"TestA"}},
		"by a method":       {`type w struct{}; func (w) open() { miniotest.Start(nil) }; func TestA(t *testing.T) { new(w).open() }`, []string{"TestA"}},
		"by a variable":     {`var ways = map[string]func(){"x": func() { storagetest.MongoDB(nil) }}; func TestA(t *testing.T) { _ = ways }`, []string{"TestA"}},
		"by an argument":    {`func open() { mongotest.Start(nil) }; func both(f func()) {}; func TestA(t *testing.T) { both(open) }`, []string{"TestA"}},
		"before all":        {`func TestMain(m *testing.M) { mongotest.Launch("") }; func TestA(t *testing.T) {}`, []string{"TestA"}},
		"helpers in a ring": {`func a() { b() }; func b() { a() }; func TestA(t *testing.T) { a() }`, nil},
		"on both stores":    {`func both() { storagetest.OnBothStores(nil, nil) }; func TestA(t *testing.T) { both() }`, []string{"TestA"}},
		"embedded":          {`func open() { storagetest.SQLite(nil) }; func TestA(t *testing.T) { open() }`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "a_test.go"), []byte("package a\n\n"+tc.source), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := onEngines(folder)
			if slices.Sort(got); err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

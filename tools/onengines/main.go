// Onengines prints a pattern for "go test -run" that names the tests of some folders which may ask for a server:
// MongoDB or its stand-in, or MinIO. So a run on the engines need not repeat what has run without them.
//
//	onengines server/api sync/engine
//
// It reads the test files and follows names: a test counts when its own text, or that of anything of its folder which
// it mentions, mentions an opener; where TestMain does, every test counts. It knows no types, so it names too many
// tests rather than too few. A folder without any is an error: it would be tested for nothing.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// opens says whether who mentions a name may come to a server: the packages that start or find one, and whatever of
// storagetest is not the embedded store.
func opens(name string) bool {
	if of, found := strings.CutPrefix(name, "storagetest."); found {
		return of != "SQLite"
	}
	return name == "mongotest" || name == "miniotest"
}

func main() {
	var all []string
	for _, folder := range os.Args[1:] {
		tests, err := onEngines(folder)
		if err == nil && len(tests) == 0 {
			err = fmt.Errorf("no test of %s asks for a server", folder)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "onengines:", err)
			os.Exit(1)
		}
		all = append(all, tests...)
	}
	slices.Sort(all)
	fmt.Printf("^(%s)$\n", strings.Join(slices.Compact(all), "|"))
}

// onEngines lists the tests of a folder that may ask for a server.
func onEngines(folder string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return nil, err
	}
	mentions := map[string][]string{} // by the name of a declaration: every name in it
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			for _, declared := range names(d) {
				mentions[declared] = append(mentions[declared], within(d)...)
			}
		}
	}
	whole := opens(filepath.Base(folder)) || reaches(mentions, "TestMain", map[string]bool{})
	var tests []string
	for name := range mentions {
		if strings.HasPrefix(name, "Test") && name != "TestMain" && (whole || reaches(mentions, name, map[string]bool{})) {
			tests = append(tests, name)
		}
	}
	return tests, nil
}

// names are those that a declaration makes known in its package; of a method its own name, whatever it is a method of.
func names(d ast.Decl) []string {
	var all []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		all = append(all, d.Name.Name)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					all = append(all, n.Name)
				}
			case *ast.TypeSpec:
				all = append(all, s.Name.Name)
			}
		}
	}
	return all
}

func within(d ast.Decl) []string {
	var all []string
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if of, ok := n.X.(*ast.Ident); ok && of.Name == "storagetest" {
				all = append(all, "storagetest."+n.Sel.Name)
			}
		case *ast.Ident:
			all = append(all, n.Name)
		}
		return true
	})
	return all
}

func reaches(mentions map[string][]string, name string, seen map[string]bool) bool {
	if opens(name) {
		return true
	}
	if seen[name] {
		return false
	}
	seen[name] = true
	return slices.ContainsFunc(mentions[name], func(n string) bool { return reaches(mentions, n, seen) })
}

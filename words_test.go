package fieldclue_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// said is one thing that a person reads, in both languages, and where it stands in the program. What is not a literal is left out.
type said struct {
	at     string
	en, zh string
}

// Who reads Chinese must be told no less, and nothing else, than who reads English: what stands in the code as a pair has both, with
// the same places for values, the same numbers, and the same names of fields, headers and formats.
func TestBothLanguagesSayTheSame(t *testing.T) {
	all := pairs(t)
	if len(all) < 900 {
		t.Errorf("%d pairs were found", len(all))
	}
	for _, s := range all {
		if s.en == "" || s.zh == "" {
			t.Errorf("%s: one language is missing: %q, %q", s.at, s.en, s.zh)
			continue
		}
		for _, part := range []struct {
			what string
			of   func(string) []string
		}{{"places", places}, {"numbers", numbers}, {"names", names}} {
			en := slices.DeleteFunc(part.of(s.en), func(w string) bool { return ownWords[w] != "" && strings.Contains(s.zh, ownWords[w]) })
			if zh := part.of(s.zh); !slices.Equal(en, zh) {
				t.Errorf("%s: other %s: %q and %q\n\t%s\n\t%s", s.at, part.what, en, zh, s.en, s.zh)
			}
		}
		if ends := strings.HasSuffix(s.en, "."); ends != strings.HasSuffix(s.zh, "。") && strings.Contains(s.en, " ") {
			t.Errorf("%s: one is a whole sentence, the other is not\n\t%s\n\t%s", s.at, s.en, s.zh)
		}
	}
}

var (
	place  = regexp.MustCompile(`%[a-z]`)
	number = regexp.MustCompile(`[0-9]+(?:[.,:][0-9]+)*`)
	// A name is no word of English: it has a capital, a digit or a sign inside, or capitals only.
	name = regexp.MustCompile(`[A-Za-z0-9]+(?:[-_./][A-Za-z0-9]+)*`)
)

// places are where values are put in; that one of them stands in quotation marks is a matter of the language.
func places(s string) []string {
	return sorted(place.FindAllString(strings.ReplaceAll(s, "%q", "%s"), -1))
}

func numbers(s string) []string {
	return sorted(number.FindAllString(place.ReplaceAllString(s, ""), -1))
}

// ownWords are names in capitals for which Chinese has a word.
var ownWords = map[string]string{"CNY": "元", "ID": "身份证"}

func names(s string) []string {
	var found []string
	for _, w := range name.FindAllString(place.ReplaceAllString(s, " "), -1) {
		inside := strings.IndexFunc(w[1:], func(r rune) bool { return unicode.IsUpper(r) || r == '_' || r == '/' }) >= 0
		if inside && strings.IndexFunc(w, unicode.IsLetter) >= 0 {
			found = append(found, w)
		}
	}
	return slices.Compact(sorted(found))
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// pairs reads them from the sources: literals with the members EN and ZH (or en and zh), the calls of InChinese on what Refuse made,
// and the table of codes.
func pairs(t *testing.T) (all []said) {
	t.Helper()
	files := token.NewFileSet()
	for _, root := range []string{"server", "sync", "media"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := pair(n); ok {
					s.at = files.Position(n.Pos()).String()
					all = append(all, s)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// What a rule refuses is said in both languages; the sentence of the code alone says less.
func TestEveryRefusalOfARuleIsSaidInChinese(t *testing.T) {
	sources, err := filepath.Glob("server/field/*.go")
	if err != nil {
		t.Fatal(err)
	}
	files, found := token.NewFileSet(), 0
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		inChinese := map[ast.Node]bool{}
		ast.Inspect(file, func(n ast.Node) bool {
			call, _ := n.(*ast.CallExpr)
			if call == nil {
				return true
			}
			if sel, _ := call.Fun.(*ast.SelectorExpr); sel != nil && sel.Sel.Name == "InChinese" {
				inChinese[sel.X] = true
			}
			if f, _ := call.Fun.(*ast.Ident); f == nil || f.Name != "Refuse" || len(call.Args) < 2 {
				return true
			}
			if en, ok := literal(call.Args[1]); ok && en != "" && en != "%s" {
				found++
				if !inChinese[call] {
					t.Errorf("%s: %q is said in English only", files.Position(call.Pos()), en)
				}
			}
			return true
		})
	}
	if found < 100 {
		t.Errorf("%d refusals were found", found)
	}
}

func pair(n ast.Node) (said, bool) {
	switch n := n.(type) {
	case *ast.CompositeLit:
		s, found := said{}, 0
		for _, e := range n.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			key, _ := kv.Key.(*ast.Ident)
			if key == nil {
				continue
			}
			switch key.Name {
			case "EN", "en":
				text, ok := literal(kv.Value)
				if !ok {
					return said{}, false
				}
				s.en = text
				found++
			case "ZH", "zh":
				text, ok := literal(kv.Value)
				if !ok {
					return said{}, false
				}
				s.zh = text
				found++
			}
		}
		if found == 0 && len(n.Elts) == 3 { // of the table of codes, and of lists of choices: code or kind, then the two
			_, first := n.Elts[0].(*ast.KeyValueExpr)
			b, okB := literal(n.Elts[1])
			c, okC := literal(n.Elts[2])
			switch {
			case first || !okB || !okC:
			case han(c) && !han(b):
				return said{en: b, zh: c}, true
			case han(b) && !han(c):
				return said{en: c, zh: b}, true
			}
		}
		return s, found > 0
	case *ast.CallExpr:
		sel, _ := n.Fun.(*ast.SelectorExpr)
		if sel == nil || sel.Sel.Name != "InChinese" || len(n.Args) == 0 {
			return said{}, false
		}
		refuse, _ := sel.X.(*ast.CallExpr)
		if refuse == nil || len(refuse.Args) < 2 {
			return said{}, false
		}
		en, okEN := literal(refuse.Args[1])
		zh, okZH := literal(n.Args[0])
		return said{en: en, zh: zh}, okEN && okZH && en != "%s"
	}
	return said{}, false
}

// literal is the text of a literal, or of the literals of a sum.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		a, okA := literal(e.X)
		b, okB := literal(e.Y)
		return a + b, okA && okB
	}
	return "", false
}

func han(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) >= 0
}

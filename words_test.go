package fieldclue_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// said is one thing that a person reads, in both languages, and where it stands in the program. What is not a literal
// is left out.
type said struct {
	at     string
	en, zh string
}

// Who reads Chinese must be told no less, and nothing else, than who reads English: what stands in the code as a pair
// has both, with the same places for values, the same numbers, and the same names of fields, headers and formats.
func TestBothLanguagesSayTheSame(t *testing.T) {
	all := pairs(t)
	if len(all) < 1200 {
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

// pairs reads them from the sources: literals with the members EN and ZH (or en and zh), the two that stand side by
// side in a call, in what is returned or assigned, the calls of InChinese on what Refuse made, and the table of codes.
func pairs(t *testing.T) (all []said) {
	t.Helper()
	eachSource(t, func(files *token.FileSet, _ string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := pair(n); ok {
				s.at = files.Position(n.Pos()).String()
				all = append(all, s)
			}
			return true
		})
	})
	return all
}

// eachSource parses the program's own sources, tests left out.
func eachSource(t *testing.T, fn func(files *token.FileSet, path string, file *ast.File)) {
	t.Helper()
	files := token.NewFileSet()
	for _, root := range []string{"server", "sync", "media"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err == nil {
				fn(files, filepath.ToSlash(path), file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// englishOnly are the places whose refusals no client gets to read, and who reads them instead.
var englishOnly = map[string]string{
	"media/blob/dir/":         "who starts the server: its settings",
	"media/blob/minio/":       "who starts the server: its settings",
	"media/receipt/":          "who runs verify, and the log: a receipt that does not hold is never sent",
	"media/sandbox/":          "the facts of a photo, in English words; the flag beside them says it in both languages",
	"media/thumb/":            "the facts of a photo, as in media/sandbox",
	"server/upkeep/backup.go": "who runs backup, restore or move",
	"server/store/sqlite/":    "who starts the server: its data directory",
	"sync/anchor/":            "who runs verify, and the log: a statement that does not hold",
	"sync/engine/copy.go":     "who runs move",
	"sync/engine/rebuild.go":  "who runs rebuild",
}

// What is refused is said in both languages: the sentence of the code alone says less. Both put in the same values, or
// the labels of the same things, and what is refused in the same words twice is so in both languages.
func TestEveryRefusalIsSaidInChinese(t *testing.T) {
	found, used, zhOf := 0, map[string]bool{}, map[string]said{}
	eachSource(t, func(files *token.FileSet, path string, file *ast.File) {
		inChinese := map[ast.Node]*ast.CallExpr{}
		ast.Inspect(file, func(n ast.Node) bool {
			call, _ := n.(*ast.CallExpr)
			if call == nil {
				return true
			}
			at, name := files.Position(call.Pos()).String(), called(call)
			if sel, _ := call.Fun.(*ast.SelectorExpr); name == "InChinese" {
				inChinese[sel.X] = call
			}
			var en, zh []ast.Expr // the format and its values
			switch {
			case name == "Refuse" && len(call.Args) >= 2:
				if format, ok := literal(call.Args[1]); ok && format == "" {
					return true
				}
				en = call.Args[1:]
				if second := inChinese[call]; second != nil {
					zh = second.Args
				}
			case name == "refuse" && len(call.Args) >= 3: // of a field: the values are those of both
				en = append([]ast.Expr{call.Args[1]}, call.Args[3:]...)
				zh = append([]ast.Expr{call.Args[2]}, call.Args[3:]...)
			default:
				return true
			}
			if found++; zh == nil {
				if where := within(path, englishOnly); where != "" {
					used[where] = true
					return true
				}
				t.Errorf("%s: %s is said in English only", at, types.ExprString(en[0]))
				return true
			}
			s := said{at: at}
			s.en, _ = literal(en[0])
			s.zh, _ = literal(zh[0])
			for _, side := range [][]ast.Expr{en, zh} {
				if format, ok := literal(side[0]); ok && len(verb.FindAllString(format, -1)) != len(side)-1 {
					t.Errorf("%s: %q has %d values", at, format, len(side)-1)
				}
			}
			if a, b := values(en[1:]), values(zh[1:]); !slices.Equal(a, b) {
				t.Errorf("%s: other values: %q and %q\n\t%s\n\t%s", at, a, b, s.en, s.zh)
			}
			if before, twice := zhOf[s.en]; twice && before.zh != s.zh && s.en != "%s" {
				t.Errorf("%s and %s: %q is %q and %q", before.at, at, s.en, before.zh, s.zh)
			}
			zhOf[s.en] = s
			return true
		})
	})
	if found < 350 {
		t.Errorf("%d refusals were found", found)
	}
	for where := range englishOnly {
		if !used[where] {
			t.Errorf("nothing in %s is said in English only", where)
		}
	}
}

// called is the name of what is called, without its package or value.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// within is the key, a file or a folder, that a path lies in.
func within(path string, places map[string]string) string {
	for where := range places {
		if path == where || strings.HasSuffix(where, "/") && strings.HasPrefix(path, where) {
			return where
		}
	}
	return ""
}

var (
	verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)
	// What tells a value from its labels in the two languages: r.State and r.StateZH(), cmd.Name and cmd.ZH, more and
	// moreZH.
	label = regexp.MustCompile(`(?:\.(?:EN|ZH|Name)|EN|ZH)(?:\(\)|\b)|\b(?:en|zh)\b`)
	quote = regexp.MustCompile(`"[^"]*"`)
)

// values are the expressions of values, without what differs between languages.
func values(list []ast.Expr) []string {
	var all []string
	for _, e := range list {
		all = append(all, label.ReplaceAllString(quote.ReplaceAllString(types.ExprString(e), `""`), ""))
	}
	return sorted(all)
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
		if refuse, ok := refused(n); ok {
			en, okEN := literal(refuse.Args[1])
			zh, okZH := literal(n.Args[0])
			return said{en: en, zh: zh}, okEN && okZH && en != "%s"
		}
		return besides(n.Args)
	case *ast.ReturnStmt:
		return besides(n.Results)
	case *ast.AssignStmt:
		return besides(n.Rhs)
	}
	return said{}, false
}

// refused is what InChinese was called on.
func refused(call *ast.CallExpr) (refuse *ast.CallExpr, ok bool) {
	if called(call) != "InChinese" || len(call.Args) == 0 {
		return nil, false
	}
	refuse, _ = call.Fun.(*ast.SelectorExpr).X.(*ast.CallExpr)
	return refuse, refuse != nil && len(refuse.Args) >= 2
}

// besides finds two that stand side by side, either first. One word of English may be a code.
func besides(list []ast.Expr) (said, bool) {
	for i := 1; i < len(list); i++ {
		a, okA := literal(list[i-1])
		b, okB := literal(list[i])
		if han(a) {
			a, b = b, a
		}
		if okA && okB && han(b) && !han(a) && strings.Contains(a, " ") {
			return said{en: a, zh: b}, true
		}
	}
	return said{}, false
}

// literal is the text of a literal, of the literals of a sum, or of a format.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr: // of a sum of which a part is no literal, that is a place for a value
		a, okA := literal(e.X)
		b, okB := literal(e.Y)
		if !okA {
			a = "%s"
		}
		if !okB {
			b = "%s"
		}
		return a + b, e.Op == token.ADD && (okA || okB)
	case *ast.CallExpr:
		if called(e) == "Sprintf" && len(e.Args) > 0 {
			return literal(e.Args[0])
		}
	}
	return "", false
}

func han(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) >= 0
}

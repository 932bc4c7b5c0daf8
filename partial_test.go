package fieldclue_test

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// readsInPart are the functions that ask a store for a list directly, and so may get a part of it, with the reason why
// nothing is overlooked. Everything else reads with store.EachPage, which comes to the end, or with what refuses where
// there is more.
var readsInPart = map[string]string{
	"(*fieldclue/sync/engine.view).find":             "more than a guard looks through is an error",
	"(*fieldclue/sync/engine.page).tasksFirst":       "the order of a page, not what is on it",
	"(*fieldclue/server/workflow.Flow).upTo":         "says whether it came to the end",
	"(*fieldclue/server/workflow.Flow).asItIs":       "one page of a list that goes on",
	"(*fieldclue/server/accounts.Accounts).Devices":  "one page of a list that goes on",
	"(*fieldclue/server/accounts.Accounts).Accounts": "one page of a list that goes on",
	"(*fieldclue/server/accounts.Accounts).SignIns":  "one page of a list that goes on",
	"(*fieldclue/server/accounts.Accounts).first":    "the first is what is asked for",
	"fieldclue/server/app.clueID":                    "two are enough to say that it is not one",
}

// besidesProduct are packages that act for people in tests, rehearsals and measurements: what they overlook is nobody's
// evidence.
var besidesProduct = []string{"fieldclue/server/store", "fieldclue/sync/synctest", "fieldclue/server/demo", "fieldclue/bench"}

// A rule that looks at the first 500 records and decides overlooks the 501st, in silence.
func TestNothingIsDecidedOnPartOfAList(t *testing.T) {
	w, err := openWorkshop()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range w.ours {
		if slices.ContainsFunc(besidesProduct, func(b string) bool { return p.ImportPath == b || strings.HasPrefix(p.ImportPath, b+"/") }) {
			continue
		}
		s, err := w.parsed(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range s.partial(seen) {
			t.Error(wrong)
		}
	}
	for name := range readsInPart {
		if !seen[name] {
			t.Errorf("%s reads no list any more", name)
		}
	}
}

// The guard is shown the two faults that it is for.
func TestTheGuardOfListsSeesAFault(t *testing.T) {
	const code = `package workflow

import (
	"fieldclue/server/field"
	"fieldclue/server/store"
)

type Flow struct{ store store.Lister }

func (f *Flow) upTo(q store.Query, most int) (found []*field.Record, whole bool, err error) { return nil, false, nil }

func (f *Flow) blocking() bool {
	flags, _ := f.store.List(nil, store.Query{Limit: 5000})
	more, _, _ := f.upTo(store.Query{}, 5000)
	return len(flags)+len(more) > 0
}
`
	s := planted(t, "fieldclue/server/workflow", code)
	var lines []int
	for _, wrong := range s.partial(map[string]bool{}) {
		lines = append(lines, wrong.at.Line)
	}
	if !slices.Equal(lines, []int{13, 14}) {
		t.Errorf("faults in the lines %v, want 13 and 14", lines)
	}
}

// partial finds the lists that are read in part without a reason, and answers of which it is dropped that they are a
// part. seen notes the functions that have one.
func (s source) partial(seen map[string]bool) (wrong []wrongName) {
	for _, f := range s.files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			in := s.info.Defs[fn.Name].(*types.Func).FullName()
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if name := s.called(n); strings.HasSuffix(name, ").List") && len(n.Args) == 2 && s.typeOf(n.Args[1]) == "fieldclue/server/store.Query" {
						seen[in] = true
						if readsInPart[in] == "" {
							wrong = append(wrong, wrongName{s.fset.Position(n.Pos()), in + " may get a part of the list: use store.EachPage, or say here why nothing is overlooked"})
						}
					}
				case *ast.AssignStmt:
					if len(n.Lhs) != 3 || len(n.Rhs) != 1 {
						return true
					}
					call, ok := n.Rhs[0].(*ast.CallExpr)
					if !ok {
						return true
					}
					if name := s.called(call); name == "(*fieldclue/server/workflow.Flow).all" || name == "(*fieldclue/server/workflow.Flow).upTo" {
						if id, ok := n.Lhs[1].(*ast.Ident); ok && id.Name == "_" {
							wrong = append(wrong, wrongName{s.fset.Position(n.Pos()), in + " drops that it may have got a part: use every, or tell it"})
						}
					}
				}
				return true
			})
		}
	}
	return wrong
}

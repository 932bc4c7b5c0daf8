package fieldclue_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"fieldclue/server/field"
)

// A field is named by a text: r.Text("reportId"). Misspelt, it compiles and reads as empty, for ever. The same goes for
// a state, for the key that a list is asked by, and for the argument of a command. So what stands in the code is held
// against what the kinds declare: against the kind itself where the code says which it is, else against all of them
// together.
func TestCodeNamesWhatTheKindsDeclare(t *testing.T) {
	w, err := openWorkshop()
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, p := range w.ours {
		s, err := w.parsed(p)
		if err != nil {
			t.Fatal(err)
		}
		c := checkNames(s)
		looked += c.looked
		for _, wrong := range c.wrong {
			t.Error(wrong)
		}
	}
	if looked < 1500 { // 2,000 when this was written: far fewer means that the guard has gone blind
		t.Errorf("only %d names were looked at", looked)
	}
}

// The guard is shown faults of each sort, one in each line that says so.
func TestTheGuardOfNamesSeesAFault(t *testing.T) {
	const code = `package planted

import (
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

const lost field.State = "lsot" // fault: lsot is the state of no kind

func plant(c *field.Case, r *field.Record, look field.Lookup) {
	_ = r.Text("reportId")
	_ = r.Text("reportID")          // fault: no kind has a field reportID
	_ = r.Texts("inspektors")       // fault: no kind has a field inspektors
	_ = r.Decode("answers.roof", c)
	_ = r.Decode("answer.roof", c)  // fault: no kind has a field answer
	var consent struct{ Given, Hwo bool }
	_ = r.Decode("consent", &consent) // fault: consent has no member Hwo
	_ = r.Fields["reciept"]         // fault: no kind has a field reciept
	_ = r.Stamps["reciept"]         // fault: no kind has a field reciept
	_ = r.Stamps[""]
	_ = c.Arg("resaon")             // fault: no command has an argument resaon
	c.Set("resaon", 1)              // fault: no kind has a field resaon
	_ = r.State == "opne"           // fault: the state "opne" is not a constant
	_ = r.State == ""
	_, _ = look.Find(field.KindLink, field.KeyFor("targetId", r.ID))
	_, _ = look.Find(field.KindLink, field.KeyFor("recordId", r.ID)) // fault: link has no key recordId
	_ = store.Query{Kinds: []field.Kind{field.KindFlag}, Keys: []string{field.KeyFor("clueId", r.ID)}} // fault: flag has no key clueId
	_ = field.KeyFor("clue", r.ID)  // fault: no kind has a key clue
	_ = field.Effect{Kind: field.KindFinding, Set: map[string]field.Value{"clueId": nil}}
	_ = field.Effect{Kind: field.KindFinding, Set: map[string]field.Value{"sha256": nil}} // fault: finding has no field sha256
	_ = protocol.Operation{Kind: field.KindHold, Command: "release"}
	_ = protocol.Operation{Kind: field.KindHold, Command: "relaese"} // fault: hold has no command relaese
	_ = protocol.Operation{Kind: field.KindDevice, Command: "move", Args: map[string]field.Value{"why": nil}} // fault: device.move has no argument why
}

var planted = &field.Spec{
	Kind: field.KindFinding,
	Commands: []field.Command{{Name: "close", Do: func(c *field.Case) error {
		_ = c.Record.Text("facts")
		_ = c.Record.Text("sha256") // fault: finding has no field sha256
		_ = c.Arg("reason")
		_ = c.Arg("class")          // fault: finding.close has no argument class
		return nil
	}}},
}
`
	s := planted(t, "planted", code)
	want := map[int]string{}
	for i, line := range strings.Split(code, "\n") {
		if _, said, planted := strings.Cut(line, "// fault: "); planted {
			want[i+1] = said
		}
	}
	got := map[int]string{}
	for _, w := range checkNames(s).wrong {
		got[w.at.Line] = w.said
	}
	if !maps.Equal(got, want) {
		for line := range max(len(strings.Split(code, "\n")), 1) {
			if got[line] != want[line] {
				t.Errorf("line %d: %q, want %q", line, got[line], want[line])
			}
		}
	}
}

// planted reads code as a file of a package, for a guard that is to find the faults in it.
func planted(t *testing.T, path, code string) source {
	t.Helper()
	w, err := openWorkshop()
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(w.fset, "planted.go", code, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.typed(path, []*ast.File{f})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// vocabulary is what the kinds declare.
type vocabulary struct {
	fields, keys, args, states map[string]bool
}

// keysBesides are the keys that a kind makes itself, and not from a field.
var keysBesides = map[field.Kind]string{field.KindParked: "about"}

var declared = sync.OnceValue(func() vocabulary {
	n := vocabulary{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, s := range field.Kinds() {
		for _, f := range s.Fields {
			n.fields[f.Name] = true
			n.keys[f.Name] = n.keys[f.Name] || f.Key
		}
		for _, c := range s.Commands {
			for _, a := range c.Args {
				n.args[a.Name] = true
			}
		}
		for _, st := range s.States {
			n.states[st.Code] = true
		}
		if s.Moves {
			n.keys["moved"] = true
		}
	}
	for _, name := range keysBesides {
		n.keys[name] = true
	}
	return n
})

type wrongName struct {
	at   token.Position
	said string
}

func (w wrongName) String() string {
	return fmt.Sprintf("%s:%d: %s", w.at.Filename, w.at.Line, w.said)
}

// nameChecker walks one package.
type nameChecker struct {
	source
	looked int // names that were held against the kinds
	wrong  []wrongName
}

func checkNames(s source) *nameChecker {
	c := &nameChecker{source: s}
	for _, f := range s.files {
		ast.Walk(standing{c: c}, f)
	}
	return c
}

func (c *nameChecker) say(at ast.Node, format string, args ...any) {
	w := wrongName{c.fset.Position(at.Pos()), fmt.Sprintf(format, args...)}
	if !slices.Contains(c.wrong, w) {
		c.wrong = append(c.wrong, w)
	}
}

// standing is where in the code the walk stands: in the declaration of which kind and of which of its commands, as far
// as one says so.
type standing struct {
	c       *nameChecker
	spec    *field.Spec
	command *field.Command
	consts  bool
}

const ourField = "fieldclue/server/field."

// Visit implements ast.Visitor.
func (w standing) Visit(n ast.Node) ast.Visitor {
	c := w.c
	switch n := n.(type) {
	case *ast.GenDecl:
		w.consts = n.Tok == token.CONST
	case *ast.BasicLit:
		if c.typeOf(n) == ourField+"State" && n.Value != `""` {
			w.state(n)
		}
	case *ast.CompositeLit:
		return w.literal(n)
	case *ast.IndexExpr:
		w.index(n)
	case *ast.CallExpr:
		w.call(n)
	}
	return w
}

// madeUp are the packages whose records are made up on purpose: a store takes what the kinds do not know.
var madeUp = []string{"fieldclue/server/store/storetest"}

// noFields are names that stand in maps of values and are no fields of a record.
var noFields = map[string][]string{
	"fieldclue/server/field":    {"id", "kind", "command", "set"}, // members of an operation that is kept
	"fieldclue/server/workflow": {"offset", "linkId", "holdId"},   // what a step of the chain of custody tells
}

func (w standing) state(n *ast.BasicLit) {
	c := w.c
	code, _ := c.text(n)
	switch c.looked++; {
	case slices.Contains(madeUp, c.path):
	case !w.consts:
		c.say(n, "the state %s is not a constant", n.Value)
	case !declared().states[code]:
		c.say(n, "%s is the state of no kind", code)
	}
}

func (w standing) literal(n *ast.CompositeLit) ast.Visitor {
	c := w.c
	part := map[string]ast.Expr{}
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if id, ok := kv.Key.(*ast.Ident); ok {
				part[id.Name] = kv.Value
			}
		}
	}
	kind := func() *field.Spec {
		k, _ := c.text(part["Kind"])
		return field.KindOf(field.Kind(k))
	}
	switch c.typeOf(n) {
	case ourField + "Spec":
		w.spec = kind()
	case ourField + "Command":
		if name, ok := c.text(part["Name"]); ok && w.spec != nil {
			w.command = w.spec.Command(name)
		}
	case ourField + "Effect", "fieldclue/sync/protocol.Change":
		c.set(kind(), part["Set"])
	case "fieldclue/sync/protocol.Operation":
		c.set(kind(), part["Set"])
		if name, ok := c.text(part["Command"]); ok {
			c.commanded(kind(), name, part["Command"], part["Args"])
		}
	case "fieldclue/server/store.Query":
		if kinds, ok := part["Kinds"].(*ast.CompositeLit); ok {
			c.queried(kinds.Elts, part["Keys"])
		}
	default:
		if c.values(n) {
			c.set(nil, n)
		}
	}
	return w
}

// values reports whether an expression is a map of values by path.
func (c *nameChecker) values(e ast.Expr) bool {
	t := c.info.TypeOf(e)
	if t == nil {
		return false
	}
	m, ok := t.Underlying().(*types.Map)
	return ok && types.Unalias(m.Elem()).String() == "encoding/json.RawMessage"
}

// set holds the keys of a literal against the fields of a kind; nil: of all kinds, their arguments and their members.
func (c *nameChecker) set(spec *field.Spec, e ast.Expr) {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return
	}
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if spec == nil {
				c.known(kv.Key)
			} else {
				c.fieldOf(spec, kv.Key)
			}
		}
	}
}

func (c *nameChecker) commanded(spec *field.Spec, name string, at, args ast.Expr) {
	if spec == nil || name == "" {
		return
	}
	c.looked++
	cmd := spec.Command(name)
	if cmd == nil {
		c.say(at, "%s has no command %s", spec.Kind, name)
		return
	}
	if lit, ok := args.(*ast.CompositeLit); ok {
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				c.argOf(spec, cmd, kv.Key)
			}
		}
	}
}

func (c *nameChecker) argOf(spec *field.Spec, cmd *field.Command, e ast.Expr) {
	name, ok := c.text(e)
	if !ok {
		return
	}
	c.looked++
	if !slices.ContainsFunc(cmd.Args, func(a field.Field) bool { return a.Name == name }) {
		c.say(e, "%s.%s has no argument %s", spec.Kind, cmd.Name, name)
	}
}

// fieldOf holds one name against the fields of a kind; nil: of all kinds.
func (c *nameChecker) fieldOf(spec *field.Spec, e ast.Expr) {
	path, ok := c.text(e)
	if !ok || path == "" {
		return
	}
	c.looked++
	name, _, _ := strings.Cut(path, ".")
	switch {
	case slices.Contains(madeUp, c.path):
	case spec == nil && !declared().fields[name]:
		c.say(e, "no kind has a field %s", name)
	case spec != nil && spec.Named(name) == nil:
		c.say(e, "%s has no field %s", spec.Kind, name)
	}
}

// known holds a name in some map of values against the fields of all kinds and the arguments of all commands.
func (c *nameChecker) known(e ast.Expr) {
	if name, ok := c.text(e); ok && (declared().args[name] || slices.Contains(noFields[c.path], name)) {
		c.looked++
		return
	}
	c.fieldOf(nil, e)
}

func (c *nameChecker) queried(kinds []ast.Expr, keys ast.Expr) {
	if len(kinds) != 1 || keys == nil {
		return
	}
	k, _ := c.text(kinds[0])
	spec := field.KindOf(field.Kind(k))
	if spec == nil {
		return
	}
	ast.Inspect(keys, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 2 && c.namesKey(call) {
			c.keyOf(spec, call.Args[0])
		}
		return true
	})
}

// namesKey reports whether a call names a key: field.KeyFor("reportId", …), where{}.is("reportId", …).
func (c *nameChecker) namesKey(call *ast.CallExpr) bool {
	f := c.called(call)
	return f == ourField+"KeyFor" || f == "(fieldclue/server/workflow.where).is"
}

func (c *nameChecker) keyOf(spec *field.Spec, e ast.Expr) {
	name, ok := c.text(e)
	if !ok {
		return
	}
	c.looked++
	switch f := spec.Named(name); {
	case keysBesides[spec.Kind] == name || spec.Moves && name == "moved":
	case f == nil || !f.Key:
		c.say(e, "%s has no key %s", spec.Kind, name)
	}
}

func (w standing) index(n *ast.IndexExpr) {
	c := w.c
	switch t := c.info.TypeOf(n.X); {
	case t == nil:
	case t.Underlying().String() == "map[string]"+ourField+"Stamp":
		if path, ok := c.text(n.Index); ok && path != "" { // "" is the life cycle
			w.field(n.X, n.Index)
		}
	case c.values(n.X):
		switch of := selected(n.X); {
		case of == "Fields":
			w.field(n.X, n.Index)
		case of == "Args" && c.typeOf(n.X.(*ast.SelectorExpr).X) == ourField+"Case":
			w.arg(n.Index)
		default:
			c.known(n.Index)
		}
	}
}

// field holds a name against the kind that is being declared, when it is that of the record which is decided about.
func (w standing) field(of, name ast.Expr) {
	spec := w.spec
	if !strings.HasPrefix(types.ExprString(of), "c.Record") {
		spec = nil
	}
	w.c.fieldOf(spec, name)
}

func (w standing) arg(e ast.Expr) {
	c := w.c
	if w.command != nil {
		c.argOf(w.spec, w.command, e)
		return
	}
	if name, ok := c.text(e); ok {
		if c.looked++; !declared().args[name] {
			c.say(e, "no command has an argument %s", name)
		}
	}
}

// reads are the methods of a record whose first argument is the name of a field.
var reads = []string{"Text", "Texts", "Int", "Time", "Decode", "Keyed", "Chosen"}

func (w standing) call(n *ast.CallExpr) {
	c := w.c
	f := c.called(n)
	if len(n.Args) == 0 {
		return
	}
	switch name, of := f[strings.LastIndexByte(f, '.')+1:], ast.Expr(nil); {
	case strings.HasPrefix(f, "(*"+ourField+"Record).") && slices.Contains(reads, name):
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
			of = sel.X
		}
		w.field(of, n.Args[0])
		if name == "Decode" {
			c.members(n.Args[0], n.Args[1])
		}
	case f == "(*"+ourField+"Case).Set":
		c.fieldOf(w.spec, n.Args[0])
	case f == "(*"+ourField+"Case).Arg":
		w.arg(n.Args[0])
	case f == "("+ourField+"Lookup).Find" || f == "("+ourField+"Lookup).FindIn":
		c.queried(n.Args[len(n.Args)-2:len(n.Args)-1], n.Args[len(n.Args)-1])
	case c.namesKey(n):
		if name, ok := c.text(n.Args[0]); ok {
			if c.looked++; !declared().keys[name] {
				c.say(n.Args[0], "no kind has a key %s", name)
			}
		}
	case strings.HasPrefix(f, "fieldclue/sync/phone."): // Create(scope, kind, id, {…}), Command(scope, kind, id, name, {…})
		if len(n.Args) < 4 {
			return
		}
		k, _ := c.text(n.Args[1])
		spec := field.KindOf(field.Kind(k))
		switch {
		case name == "Create" || name == "Edit":
			c.set(spec, n.Args[3])
		case name == "Command" && spec != nil:
			if cmd, ok := c.text(n.Args[3]); ok {
				c.commanded(spec, cmd, n.Args[3], n.Args[4])
			}
		}
	}
}

// members holds what a field is decoded into against the members that it may have.
func (c *nameChecker) members(name, into ast.Expr) {
	path, ok := c.text(name)
	if !ok {
		return
	}
	path, _, _ = strings.Cut(path, ".")
	var may []string
	for _, s := range field.Kinds() {
		switch f := s.Named(path); {
		case f == nil:
		case f.Type != field.Object:
			return // of some kind it is something else
		default:
			for _, m := range f.Fields {
				may = append(may, m.Name)
			}
		}
	}
	if len(may) == 0 {
		return // there is no such field
	}
	for t := c.info.TypeOf(into); t != nil; {
		switch u := t.Underlying().(type) {
		case *types.Pointer:
			t = u.Elem()
		case *types.Slice:
			t = u.Elem()
		case *types.Struct:
			for i := range u.NumFields() {
				member := u.Field(i).Name()
				if tag, _, _ := strings.Cut(reflect.StructTag(u.Tag(i)).Get("json"), ","); tag != "" {
					member = tag
				}
				if c.looked++; !slices.ContainsFunc(may, func(m string) bool { return strings.EqualFold(m, member) }) { // as encoding/json does
					c.say(into, "%s has no member %s", path, member)
				}
			}
			return
		default:
			return
		}
	}
}

// selected is the name of what is selected: "Fields" of r.Fields.
func selected(e ast.Expr) string {
	if sel, ok := e.(*ast.SelectorExpr); ok {
		return sel.Sel.Name
	}
	return ""
}

// source is a package as it was written, with the types of what stands in it.
type source struct {
	path  string
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
}

// text is what an expression is when it is a constant text.
func (s source) text(e ast.Expr) (string, bool) {
	if e == nil {
		return "", false
	}
	v := s.info.Types[e].Value
	if v == nil || v.Kind() != constant.String {
		return "", false
	}
	return constant.StringVal(v), true
}

// typeOf is the name of an expression's type, with its package.
func (s source) typeOf(e ast.Expr) string {
	if t := s.info.TypeOf(e); t != nil {
		return strings.TrimPrefix(t.String(), "*")
	}
	return ""
}

// called is the full name of the function or method that is called: "(*fieldclue/server/field.Record).Text".
func (s source) called(call *ast.CallExpr) string {
	var id *ast.Ident
	switch fun := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		id = fun
	case *ast.SelectorExpr:
		id = fun.Sel
	default:
		return ""
	}
	if f, ok := s.info.Uses[id].(*types.Func); ok {
		return f.FullName()
	}
	return ""
}

// workshop types packages from their source. What they import comes out of the compiler's cache.
type workshop struct {
	fset     *token.FileSet
	ours     []listedSource // all packages of the product and its tools, without their tests
	exports  map[string]string
	importer types.Importer
}

type listedSource struct {
	ImportPath, Export, Dir string
	GoFiles                 []string
	Module                  *struct{ Main bool }
}

var openWorkshop = sync.OnceValues(func() (*workshop, error) {
	w := &workshop{fset: token.NewFileSet(), exports: map[string]string{}}
	w.importer = importer.ForCompiler(w.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(w.exports[path]) })
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles,Module", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("go list: %w\n%s", err, exit.Stderr)
		}
		return nil, err
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedSource
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return w, nil
		} else if err != nil {
			return nil, err
		}
		w.exports[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Main {
			w.ours = append(w.ours, p)
		}
	}
})

func (w *workshop) parsed(p listedSource) (source, error) {
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(w.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return source{}, err
		}
		files = append(files, f)
	}
	return w.typed(p.ImportPath, files)
}

func (w *workshop) typed(path string, files []*ast.File) (source, error) {
	s := source{path: path, fset: w.fset, files: files, info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
	}}
	_, err := (&types.Config{Importer: w.importer}).Check(path, w.fset, files, s.info)
	return s, err
}

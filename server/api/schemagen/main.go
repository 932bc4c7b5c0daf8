// Command schemagen writes the parts of openapi.yaml that follow from server/field: the paths of what the desk offers
// of each kind (paths.go), the bodies and pages of these, the codes of errors, and a schema for each enum, for the
// fields of each kind and for the record of each kind. It replaces what stands between two pairs of marker lines and
// leaves the rest alone:
//
//	go run ./server/api/schemagen openapi.yaml
//
// A test fails when the file does not hold what this command would write.
package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"fieldclue/server/field"
)

// The lines between which the generated parts stand: in paths, and in components.schemas.
const (
	begin      = "    # From here to the end mark: written by server/api/schemagen from server/field."
	end        = "    # End of what server/api/schemagen writes."
	beginPaths = "  # From here to the end mark: paths that server/api/schemagen writes from server/field."
	endPaths   = "  # End of the paths that server/api/schemagen writes."
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemagen openapi.yaml")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	now, err := replace(old)
	if err != nil || bytes.Equal(old, now) {
		return err
	}
	return os.WriteFile(path, now, 0o644)
}

// replace puts the generated parts between the marks.
func replace(doc []byte) ([]byte, error) {
	var err error
	for _, part := range []struct {
		begin, end string
		write      func() []byte
	}{{beginPaths, endPaths, generatePaths}, {begin, end, generate}} {
		if doc, err = between(doc, part.begin, part.end, part.write()); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

func between(doc []byte, begin, end string, text []byte) ([]byte, error) {
	i, j := bytes.Index(doc, []byte(begin+"\n")), bytes.Index(doc, []byte(end+"\n"))
	if i < 0 || j < i {
		return nil, fmt.Errorf("the marks %q and %q are not there, each on a line of its own", begin, end)
	}
	return slices.Concat(doc[:i], []byte(begin+"\n"), text, doc[j:]), nil
}

// generate writes the schemas, indented as members of components.schemas.
func generate() []byte {
	w := &writer{}
	w.codes()
	enums := field.Enums()
	for _, name := range slices.Sorted(maps.Keys(enums)) {
		if name == "code" { // codes writes it
			continue
		}
		w.line(2, "%s:", upper(name))
		w.enum(3, enums[name])
		w.labels(3, enums[name])
	}
	for _, s := range field.Kinds() {
		w.kind(s)
	}
	w.any()
	w.bodies()
	w.operations()
	w.allCommands()
	return w.out.Bytes()
}

// any writes the record of any kind.
func (w *writer) any() {
	w.line(2, "AnyRecord:")
	w.line(3, "description: The latest state of one record, by its kind.")
	w.line(3, "oneOf:")
	for _, s := range field.Kinds() {
		w.line(3, "  - $ref: '#/components/schemas/%sRecord'", upper(string(s.Kind)))
	}
	w.mapping(field.Kinds(), "Record")
}

// sent are the kinds of which a push brings operations.
func sent() (kinds []*field.Spec) {
	for _, s := range field.Kinds() {
		if !s.ServerOK || slices.ContainsFunc(s.Commands, forAll) {
			kinds = append(kinds, s)
		}
	}
	return kinds
}

// operations writes what a push does to a record of each kind, and the union of all.
func (w *writer) operations() {
	for _, s := range sent() {
		name := upper(string(s.Kind))
		if !s.ServerOK {
			w.line(2, "%sSet:", name)
			w.line(3, "description: %s", quote("Fields of "+article(s.EN)+" ("+s.ZH+") that a push sets; null takes a value out. A new one needs those that are required in "+name+"Fields."))
			w.set(3, s.Fields)
		}
		w.line(2, "%sOperation:", name)
		w.line(3, "description: %s", quote("What a push does to "+article(s.EN)+" ("+s.ZH+"): it sets fields, or gives a command."))
		w.line(3, "type: object")
		w.line(3, "required: [id, kind, base]")
		w.line(3, "properties:")
		w.line(4, "id: {$ref: '#/components/schemas/Id'}")
		w.constant(4, s)
		w.line(4, "base: {$ref: '#/components/schemas/Version'}")
		if !s.ServerOK {
			w.line(4, "set: {$ref: '#/components/schemas/%sSet'}", name)
		}
		if commands := slices.DeleteFunc(slices.Clone(s.Commands), func(c field.Command) bool { return !forAll(c) }); len(commands) > 0 {
			w.line(4, "command:")
			w.line(5, "type: string")
			w.line(5, "enum:")
			for _, c := range commands {
				w.line(5, "  - %s", c.Name)
			}
			w.line(4, "args:")
			w.line(5, "description: %s", quote("As "+name+"Commands has them for the command."))
			w.line(5, "type: object")
			w.line(5, "additionalProperties: true")
		}
	}
	w.line(2, "Operation:")
	w.line(3, "description: %s", quote("What a push does to one record, by its kind. Of a newer app there may be kinds, commands, fields and members that this server does not know: such an operation is kept whole, and takes effect when a server comes that knows them."))
	w.line(3, "oneOf:")
	for _, s := range sent() {
		w.line(3, "  - $ref: '#/components/schemas/%sOperation'", upper(string(s.Kind)))
	}
	w.mapping(sent(), "Operation")
}

// constant writes the kind of a record or an operation. Generators of Go make a constant of it, which needs a name of
// its own.
func (w *writer) constant(depth int, s *field.Spec) {
	w.line(depth, "kind: {type: string, const: %s, x-enum-varnames: [%sKind]}", s.Kind, upper(string(s.Kind)))
}

func (w *writer) mapping(kinds []*field.Spec, suffix string) {
	w.line(3, "discriminator:")
	w.line(3, "  propertyName: kind")
	w.line(3, "  mapping:")
	for _, s := range kinds {
		w.line(3, "    %s: '#/components/schemas/%s%s'", s.Kind, upper(string(s.Kind)), suffix)
	}
}

// set writes the fields that somebody may send, all of which may be left out, or be null.
func (w *writer) set(depth int, fields []field.Field) {
	w.line(depth, "type: object")
	w.line(depth, "properties:")
	for i := range fields {
		f := &fields[i]
		if f.Server {
			continue
		}
		w.line(depth+1, "%s:", f.Name)
		if text := strings.Trim(f.EN+" "+f.ZH, " "); text != "" {
			w.line(depth+2, "description: %s", quote(text))
		}
		if f.Keyed || f.Required {
			w.values(depth+2, f)
			continue
		}
		var inner writer
		inner.values(depth+4, f)
		text := inner.out.Bytes() // its first line follows the dash
		w.line(depth+2, "oneOf:")
		w.out.WriteString(strings.Repeat("  ", depth+3) + "- ")
		w.out.Write(bytes.TrimLeft(text, " "))
		w.line(depth+3, "- type: 'null'")
	}
}

// allCommands names the commands of every kind.
func (w *writer) allCommands() {
	w.line(2, "Commands:")
	w.line(3, "description: 'The commands of every kind: which there are, in which states they can be given, and with which arguments.'")
	w.line(3, "type: object")
	w.line(3, "properties:")
	for _, s := range field.Kinds() {
		if slices.ContainsFunc(s.Commands, forAll) {
			w.line(4, "%s: {$ref: '#/components/schemas/%sCommands'}", s.Kind, upper(string(s.Kind)))
		}
	}
}

type writer struct {
	out  bytes.Buffer
	full bool // a text that is required has at least one character
}

func (w *writer) line(depth int, format string, args ...any) {
	w.out.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&w.out, format, args...)
	w.out.WriteByte('\n')
}

// codes writes why something is refused, with the sentence that goes with each code when there is none more exact.
func (w *writer) codes() {
	w.line(2, "Code:")
	w.line(3, "description: %s", quote("Why a request was refused or an operation rejected. x-meanings has the usual sentence; the one of an answer may be more exact. Codes are added, never renamed."))
	w.line(3, "type: string")
	w.line(3, "enum:")
	all := slices.Sorted(slices.Values(field.Codes()))
	for _, c := range all {
		w.line(3, "  - %s", c)
	}
	w.line(3, "x-meanings:")
	for _, c := range all {
		w.line(3, "  %s: %s", c, quote(c.Sentence()))
	}
}

// article puts "a" or "an" before a noun.
func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (w *writer) enum(depth int, choices []field.Choice) {
	w.line(depth, "type: string")
	w.line(depth, "enum:")
	for _, c := range choices {
		w.line(depth, "  - %s", c.Code)
	}
}

// labels writes what the choices are called, for anyone who makes a screen.
func (w *writer) labels(depth int, choices []field.Choice) {
	w.line(depth, "x-labels:")
	for _, c := range choices {
		w.line(depth, "  %s: {zh: %s, en: %s}", c.Code, quote(c.ZH), quote(c.EN))
	}
}

func (w *writer) kind(s *field.Spec) {
	name := upper(string(s.Kind))
	w.line(2, "%sState:", name)
	w.enum(3, s.States)
	w.labels(3, s.States)

	w.line(2, "%sFields:", name)
	w.line(3, "description: %s", quote("The fields of "+article(s.EN)+" ("+s.ZH+"). Those that are read-only are written by the server and by commands."+editable(s)))
	w.object(3, s.Fields)

	if slices.ContainsFunc(s.Commands, forAll) {
		w.commands(s)
	}

	w.line(2, "%sRecord:", name)
	w.line(3, "description: %s", quote(upper(article(s.EN))+" ("+s.ZH+") as it stands."))
	w.line(3, "type: object")
	w.line(3, "additionalProperties: false")
	w.line(3, "required: [id, kind, scope, version, state, deleted, createdAt, updatedAt, fields]")
	w.line(3, "properties:")
	w.line(4, "id: {$ref: '#/components/schemas/Id'}")
	w.constant(4, s)
	w.line(4, "scope: {$ref: '#/components/schemas/Scope'}")
	w.line(4, "version: {$ref: '#/components/schemas/Version'}")
	w.line(4, "state: {$ref: '#/components/schemas/%sState'}", name)
	w.line(4, "deleted: {type: boolean}")
	w.line(4, "author: {$ref: '#/components/schemas/Id'}")
	w.line(4, "createdAt: {$ref: '#/components/schemas/Time'}")
	w.line(4, "updatedAt: {$ref: '#/components/schemas/Time'}")
	w.line(4, "fields: {$ref: '#/components/schemas/%sFields'}", name)
}

// editable says in one sentence where such a record lives, who makes it, and while it is in which states its fields can
// be set.
func editable(s *field.Spec) string {
	text := fmt.Sprintf(" It lives in a scope %s/….", s.Home)
	switch {
	case s.ServerOK:
		text += " The server makes it; a push cannot."
	case len(s.Editable) > 0:
		text += " Fields can be set while it is " + states(s.Editable) + "."
	}
	return text
}

func states(all []field.State) string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// forAll reports whether a command is given from outside, and not by the server alone.
func forAll(c field.Command) bool { return !c.Server }

// commands writes what a push, or a click of the desk, can do to a record besides setting its fields.
func (w *writer) commands(s *field.Spec) {
	w.line(2, "%sCommands:", upper(string(s.Kind)))
	w.line(3, "description: %s", quote("The commands of "+article(s.EN)+" ("+s.ZH+"), each with its arguments."))
	w.line(3, "type: object")
	w.line(3, "properties:")
	for _, c := range s.Commands {
		if !forAll(c) {
			continue
		}
		text := c.EN + " " + c.ZH
		if len(c.From) > 0 {
			text += ". From " + states(c.From)
		}
		if c.To != "" {
			text += " to " + string(c.To)
		}
		w.line(4, "%s:", c.Name)
		w.line(5, "description: %s", quote(text+"."))
		w.object(5, c.Args)
	}
}

func (w *writer) object(depth int, fields []field.Field) {
	w.line(depth, "type: object")
	w.line(depth, "additionalProperties: false")
	var required []string
	for _, f := range fields {
		if f.Required && !f.Keyed {
			required = append(required, f.Name)
		}
	}
	if len(fields) == 0 {
		return
	}
	if len(required) > 0 {
		w.line(depth, "required: [%s]", strings.Join(required, ", "))
	}
	w.line(depth, "properties:")
	for i := range fields {
		f := &fields[i]
		w.line(depth+1, "%s:", f.Name)
		w.field(depth+2, f)
	}
}

// field writes one field with what it is.
func (w *writer) field(depth int, f *field.Field) {
	if text := strings.Trim(f.EN+" "+f.ZH, " "); text != "" {
		w.line(depth, "description: %s", quote(text))
	}
	if f.Server {
		w.line(depth, "readOnly: true")
	}
	w.values(depth, f)
}

// values writes what a field holds: a list, an object of values by key, or one value.
func (w *writer) values(depth int, f *field.Field) {
	switch {
	case f.Keyed:
		w.line(depth, "type: object")
		w.line(depth, "propertyNames: {pattern: '^[A-Za-z0-9_-]{1,64}$'}")
		w.line(depth, "additionalProperties:")
		w.value(depth+1, f)
	case f.List:
		limit := f.Items
		if limit == 0 {
			limit = 100
		}
		w.line(depth, "type: array")
		w.line(depth, "maxItems: %d", limit)
		w.line(depth, "items:")
		w.value(depth+1, f)
	default:
		w.value(depth, f)
	}
}

func (w *writer) value(depth int, f *field.Field) {
	switch f.Type {
	case field.Text:
		limit := f.Max
		if limit == 0 {
			limit = 200
		}
		w.line(depth, "type: string")
		if w.full && f.Required {
			w.line(depth, "minLength: 1")
		}
		w.line(depth, "maxLength: %d", limit)
	case field.Number, field.Integer:
		w.line(depth, "type: %s", f.Type)
		if f.Low != 0 || f.High != 0 {
			w.line(depth, "minimum: %s", number(f.Low))
			w.line(depth, "maximum: %s", number(f.High))
		}
	case field.Bool:
		w.line(depth, "type: boolean")
	case field.Enum:
		if name := enumOf(f.Choices); name != "" {
			w.line(depth, "$ref: '#/components/schemas/%s'", name)
		} else {
			w.enum(depth, f.Choices)
		}
	case field.Time:
		w.line(depth, "type: string")
		w.line(depth, "format: date-time")
	case field.Date:
		w.line(depth, "type: string")
		w.line(depth, "format: date")
	case field.Object:
		w.object(depth, f.Fields)
	case field.JSON:
		w.line(depth, "$comment: any JSON")
	case field.Any:
		w.line(depth, "oneOf:")
		w.line(depth, "  - {type: string, maxLength: 5000}")
		w.line(depth, "  - {type: number}")
		w.line(depth, "  - {type: boolean}")
		w.line(depth, "  - {type: array, maxItems: 50, items: {type: string, maxLength: 5000}}")
	default:
		w.line(depth, "$ref: '#/components/schemas/%s'", scalars[f.Type])
	}
}

// scalars are the schemas that the hand-written part of the file holds.
var scalars = map[field.Type]string{
	field.ID: "Id", field.Hash: "Hash", field.Org: "OrgCode", field.Home: "Scope", field.Region: "Region", field.Position: "Position",
}

// enumOf finds the name of an enum by its choices.
func enumOf(choices []field.Choice) string {
	for name, all := range field.Enums() {
		if len(all) == len(choices) && &all[0] == &choices[0] {
			return upper(name)
		}
	}
	for _, s := range field.Kinds() {
		if len(s.States) == len(choices) && &s.States[0] == &choices[0] {
			return upper(string(s.Kind)) + "State"
		}
	}
	return ""
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// quote writes a YAML text in single quotes.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

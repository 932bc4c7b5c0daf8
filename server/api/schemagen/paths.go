package main

import (
	"strings"

	"fieldclue/server/field"
)

// generatePaths writes the paths of what the desk offers of each kind, indented as members of paths.
func generatePaths() []byte {
	w := &writer{}
	for _, s := range field.Kinds() {
		if s.Desk == nil {
			continue
		}
		path := "/v1/" + s.Desk.Path
		w.path(s, path, field.VerbCreate, field.VerbList)
		w.path(s, path+"/{id}", field.VerbGet, field.VerbEdit)
		for _, a := range s.Desk.Acts {
			if a.Command != nil {
				w.path(s, path+"/{id}/"+a.Verb, a.Verb)
			}
		}
	}
	return w.out.Bytes()
}

// path writes one path with those of the acts that the desk offers.
func (w *writer) path(s *field.Spec, path string, verbs ...string) {
	for i, verb := range verbs {
		a := s.Desk.Act(verb)
		if a == nil {
			continue
		}
		if i == 0 || s.Desk.Act(verbs[0]) == nil {
			w.line(1, "%s:", path)
			if strings.Contains(path, "{id}") {
				w.line(2, "parameters: [{$ref: '#/components/parameters/id'}]")
			}
		}
		w.act(s, a)
	}
}

// act writes one operation.
func (w *writer) act(s *field.Spec, a *field.Act) {
	method, rule, status, answer, schema := "post", string(s.Kind)+"."+a.Verb, "200", "The record as it stands after this.", upper(string(s.Kind))+"Record"
	switch a.Verb {
	case field.VerbList:
		method, rule, answer, schema = "get", "signed in", "One page.", upper(string(s.Kind))+"Page"
	case field.VerbGet:
		method, rule, answer = "get", "signed in", "The record."
	case field.VerbEdit:
		method = "patch"
	case field.VerbCreate:
		status, answer = "201", "The record that was made."
	}
	if a.Everybody {
		rule = "signed in"
	}
	w.line(2, "%s:", method)
	w.line(3, "operationId: %s", a.ID)
	w.line(3, "tags: [%s]", s.Desk.Group)
	w.line(3, "summary: %s", quote(a.Says))
	w.prose(3, "description", a.More)
	w.line(3, "x-rule: %s", rule)
	if c := a.Command; c != nil {
		w.line(3, "x-label: {zh: %s, en: %s}", quote(c.ZH), quote(c.EN))
	}
	switch {
	case a.Verb == field.VerbList:
		w.filters(s)
	case method != "get":
		w.line(3, "parameters:")
		w.line(4, "- $ref: '#/components/parameters/idempotencyKey'")
		w.line(3, "requestBody:")
		w.line(4, "required: true")
		w.line(4, "content:")
		w.line(5, "application/json:")
		w.line(6, "schema: {$ref: '#/components/schemas/%s'}", bodyName(a))
		w.line(6, "example: {%s}", sample(a))
	}
	w.line(3, "responses:")
	w.line(4, "'%s':", status)
	w.line(5, "description: %s", answer)
	w.line(5, "content: {application/json: {schema: {$ref: '#/components/schemas/%s'}}}", schema)
	w.line(4, "4XX: {$ref: '#/components/responses/Refused'}")
	w.line(4, "5XX: {$ref: '#/components/responses/Failed'}")
}

// prose writes a text that may be long, wrapped.
func (w *writer) prose(depth int, name, text string) {
	const width = 118
	if len(text)+2*depth+len(name) < width {
		w.line(depth, "%s: %s", name, quote(text))
		return
	}
	w.line(depth, "%s: |", name)
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && 2*depth+2+len(line)+1+len(word) > width {
			w.line(depth+1, "%s", line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	w.line(depth+1, "%s", line)
}

// filters writes by what a list is narrowed.
func (w *writer) filters(s *field.Spec) {
	w.line(3, "parameters:")
	for _, f := range s.Desk.Filters {
		about := f.Says
		if f.Name == "state" {
			about = "Only those in this state."
		}
		w.line(4, "- name: %s", f.Name)
		w.line(5, "in: query")
		w.line(5, "description: %s", quote(about))
		w.line(5, "schema:")
		switch known := s.Named(f.Key); {
		case f.Name == "state":
			w.line(6, "$ref: '#/components/schemas/%sState'", upper(string(s.Kind)))
		case f.Home:
			w.line(6, "$ref: '#/components/schemas/Id'")
		default:
			w.value(6, known)
		}
	}
	w.line(4, "- $ref: '#/components/parameters/after'")
	w.line(4, "- $ref: '#/components/parameters/limit'")
}

// bodyName is the schema of the body of an act.
func bodyName(a *field.Act) string {
	switch asked := a.Asked(); {
	case a.Body != "":
		return a.Body
	case a.Verb == field.VerbEdit:
		return "EditRecord"
	case a.Command != nil && len(asked) == 0:
		return "Click"
	case len(asked) == 1 && asked[0].Name == "reason" && asked[0].Required:
		return "ReasonedClick"
	}
	return upper(a.ID)
}

// sample is an example of the body of an act.
func sample(a *field.Act) string {
	switch {
	case a.Verb == field.VerbCreate:
		return "fields: {" + a.Example + "}"
	case a.Verb == field.VerbEdit:
		return "version: 7, fields: {" + a.Example + "}"
	case a.Example == "":
		return "version: 7"
	}
	return "version: 7, " + a.Example
}

// bodies writes the bodies of acts, and the pages of lists.
func (w *writer) bodies() {
	for _, s := range field.Kinds() {
		if s.Desk == nil {
			continue
		}
		name := upper(string(s.Kind))
		for i := range s.Desk.Acts {
			a := &s.Desk.Acts[i]
			switch {
			case a.Verb == field.VerbCreate:
				w.line(2, "%s:", upper(a.ID))
				w.line(3, "type: object")
				w.line(3, "additionalProperties: false")
				w.line(3, "required: [fields]")
				w.line(3, "properties:")
				w.line(4, "id: {$ref: '#/components/schemas/Id', description: 'Left out, the server makes one.'}")
				w.line(4, "fields: {$ref: '#/components/schemas/%sFields'}", name)
			case a.Verb == field.VerbList:
				w.line(2, "%sPage:", name)
				w.line(3, "type: object")
				w.line(3, "additionalProperties: false")
				w.line(3, "description: A page.")
				w.line(3, "required: [items]")
				w.line(3, "properties:")
				w.line(4, "items: {type: array, items: {$ref: '#/components/schemas/%sRecord'}}", name)
				w.line(4, "next: {$ref: '#/components/schemas/Next'}")
			case a.Command != nil && a.Body == "" && bodyName(a) == upper(a.ID):
				w.body(a)
			}
		}
	}
}

// body writes the body of a command: its arguments, and the version of the record that was decided on.
func (w *writer) body(a *field.Act) {
	w.full = true
	defer func() { w.full = false }()
	required := []string{"version"}
	for _, f := range a.Asked() {
		if f.Required {
			required = append(required, f.Said())
		}
	}
	w.line(2, "%s:", upper(a.ID))
	w.line(3, "type: object")
	w.line(3, "additionalProperties: false")
	w.line(3, "required: [%s]", strings.Join(required, ", "))
	w.line(3, "properties:")
	w.line(4, "version: {$ref: '#/components/schemas/Version'}")
	for _, f := range a.Asked() {
		w.line(4, "%s:", f.Said())
		w.field(5, &f)
	}
}

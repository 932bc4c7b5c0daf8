package api

import (
	"context"
	"reflect"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/workflow"
	"fieldclue/sync/exactjson"
	"fieldclue/sync/protocol"
)

// registerKinds registers what the desk offers of each kind, as its field.Desk says. Clicks that take more than the one
// operation have a handler of their own; all others are what the kind says and nothing else.
func (s *Server) registerKinds() {
	special := map[string]fiber.Handler{
		"drawSample":    clicked(s.drawSample),
		"destroyParked": clicked(s.destroyParked),
	}
	for _, spec := range field.Kinds() {
		if spec.Desk == nil {
			continue
		}
		for i := range spec.Desk.Acts {
			s.registerAct(spec, &spec.Desk.Acts[i], special[spec.Desk.Acts[i].ID])
		}
	}
}

// registerAct registers one act with a handler; nil: the one that every such act has.
func (s *Server) registerAct(spec *field.Spec, a *field.Act, h fiber.Handler) {
	path := "/v1/" + spec.Desk.Path
	method, rule := fiber.MethodPost, may(access.ActionFor(spec.Kind, a.Verb))
	if a.Everybody {
		rule = signedIn
	}
	switch a.Verb {
	case field.VerbList:
		method, rule, h = fiber.MethodGet, signedIn, s.listOf(spec)
	case field.VerbGet:
		method, rule, path, h = fiber.MethodGet, signedIn, path+"/:id", s.one(spec.Kind)
	case field.VerbCreate:
		h = s.making(spec.Kind)
	case field.VerbEdit:
		method, path, h = fiber.MethodPatch, path+"/:id", s.editing(spec.Kind)
	default:
		path += "/:id/" + a.Verb
		if h == nil {
			h = s.clicking(spec.Kind, a)
		}
	}
	s.route(method, path, a.ID, rule, h)
}

// listOf is the handler that lists a kind.
func (s *Server) listOf(spec *field.Spec) fiber.Handler {
	return listed(func(c *fiber.Ctx, ask workflow.Ask) (workflow.Records, error) {
		by := map[string]string{}
		for _, f := range spec.Desk.Filters {
			by[f.Name] = c.Query(f.Name)
		}
		return s.flow.List(c.UserContext(), actor(c), spec.Kind, by, ask)
	})
}

// making is the handler that makes a record: {"id"?, "fields": {…}} gives 201 and the record.
func (s *Server) making(kind field.Kind) fiber.Handler {
	type creation struct {
		ID     string                 `json:"id"`
		Fields map[string]field.Value `json:"fields"`
	}
	return making(s, func(ctx context.Context, act workflow.Act, id field.RecordID, req creation) (*field.Record, error) {
		if req.Fields == nil {
			return nil, field.Refuse(field.CodeMissingField, "fields is missing.").InChinese("缺少 fields。")
		}
		return s.flow.Make(ctx, act, kind, id, req.Fields)
	}, func(req creation) string { return req.ID })
}

// editing is the handler of PATCH: {"version": n, "fields": {…}}.
func (s *Server) editing(kind field.Kind) fiber.Handler {
	type edit struct {
		seen
		Fields map[string]field.Value `json:"fields"`
	}
	return clicked(func(ctx context.Context, act workflow.Act, id field.RecordID, req edit) (*field.Record, error) {
		if len(req.Fields) == 0 {
			return nil, field.Refuse(field.CodeMissingField, "fields: there is nothing to change.").InChinese("fields：没有要更改的内容。")
		}
		return s.flow.Edit(ctx, act, kind, id, req.Version, req.Fields)
	})
}

// clicking is the handler of a command: {"version": n, and its arguments}.
func (s *Server) clicking(kind field.Kind, a *field.Act) fiber.Handler {
	asked := a.Asked()
	shape := bodyOf(asked)
	return func(c *fiber.Ctx) error {
		body, err := jsonBody(c)
		if err != nil {
			return err
		}
		into := reflect.New(shape)
		if err := exactjson.Exact(body, into.Interface()); err != nil {
			return badBody(err)
		}
		version := seen{into.Elem().Field(0).Int()}
		if err := version.check(); err != nil {
			return err
		}
		id, err := idIn(c)
		if err != nil {
			return err
		}
		act, err := actOf(c)
		if err != nil {
			return err
		}
		r, err := s.flow.Click(c.UserContext(), act, kind, id, version.Version, a.Verb, argsIn(asked, into.Elem()))
		if err != nil {
			return err
		}
		return reply(c, protocol.FromRecord(r))
	}
}

// bodyOf is the type of the body of a command: the version, and behind it a member for each argument.
func bodyOf(asked []field.Field) reflect.Type {
	return structOf(append([]field.Field{{Name: "version", Type: field.Integer, Required: true}}, asked...))
}

// structOf is the type of an object of fields. What a person left out stays out; what must be there and is not is
// empty, and field says that it is missing.
func structOf(fields []field.Field) reflect.Type {
	members := make([]reflect.StructField, 0, len(fields))
	for i, f := range fields {
		tag := f.Said()
		if !f.Required {
			tag += ",omitempty"
		}
		members = append(members, reflect.StructField{Name: "F" + strconv.Itoa(i), Type: typeOf(&f), Tag: reflect.StructTag(`json:"` + tag + `"`)})
	}
	return reflect.StructOf(members)
}

// typeOf is the type in which the value of a field is read. What it does not settle, such as the form of a time, field
// does.
func typeOf(f *field.Field) reflect.Type {
	if f.Keyed {
		return reflect.TypeFor[field.Value]()
	}
	var t reflect.Type
	switch f.Type {
	case field.Integer:
		t = reflect.TypeFor[int64]()
	case field.Number, field.Bool, field.Position, field.JSON, field.Any:
		return reflect.TypeFor[field.Value]()
	case field.Object:
		t = structOf(f.Fields)
	default:
		t = reflect.TypeFor[string]()
	}
	if f.List {
		return reflect.SliceOf(t)
	}
	if f.Type == field.Object {
		return reflect.PointerTo(t)
	}
	return t
}

// argsIn are the arguments that a body gives. An empty text is one that was not given, and so is the number 0 where it
// may be left out.
func argsIn(asked []field.Field, body reflect.Value) map[string]field.Value {
	var args map[string]field.Value
	for i, f := range asked {
		v := body.Field(i + 1)
		if f.Type == field.Integer && !f.List && !f.Required && v.IsZero() {
			continue
		}
		q := field.Quote(v.Interface())
		if s := string(q); s == `""` || s == "null" {
			continue
		}
		if args == nil {
			args = map[string]field.Value{}
		}
		args[f.Name] = q
	}
	return args
}

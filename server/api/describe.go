package api

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/tables"
	"fieldclue/server/workflow"
)

// registerDescribed registers what a screen needs that shows any kind: what kinds there are and what is done with them,
// a record with what the reader may do to it, what records are called, and what stands in a table that is imported.
func (s *Server) registerDescribed() {
	s.get("/v1/kinds", "listKinds", s.kinds)
	s.get("/v1/records/:id/page", "getRecordPage", viewed(s.flow.RecordPage))
	s.get("/v1/names", "listNames", s.names)
	s.route(fiber.MethodPost, "/v1/tables", "readTable", signedIn, s.readTable)
}

// described is a kind as a screen that knows none shows it.
type described struct {
	Kind    field.Kind       `json:"kind"`
	ZH      string           `json:"zh"`
	EN      string           `json:"en"`
	Path    string           `json:"path"`             // of its routes: /v1/<path>
	Within  string           `json:"within,omitempty"` // the field that says where one is made
	Editing []field.State    `json:"editing"`          // states in which fields may be set
	States  []field.Choice   `json:"states"`
	Filters []describedField `json:"filters"` // of its list
	Fields  []describedField `json:"fields"`
	Acts    []describedAct   `json:"acts"`
}

// describedAct is what a person does with a kind.
type describedAct struct {
	Verb string           `json:"verb"` // create, edit, list, get, or a command
	ZH   string           `json:"zh"`
	EN   string           `json:"en"`
	From []field.State    `json:"from,omitempty"` // of a command; empty: any
	Args []describedField `json:"args,omitempty"`
	Mine bool             `json:"mine"` // a role of the reader allows it; whether on a record, its page says
}

// describedField is a field, an argument, or a member of an object.
type describedField struct {
	Name     string           `json:"name"`
	Type     field.Type       `json:"type"`
	ZH       string           `json:"zh,omitempty"`
	EN       string           `json:"en,omitempty"`
	Max      int              `json:"max,omitempty"` // characters of a text
	Low      *float64         `json:"low,omitempty"`
	High     *float64         `json:"high,omitempty"`
	Choices  []field.Choice   `json:"choices,omitempty"`
	Of       field.Kind       `json:"of,omitempty"`
	List     bool             `json:"list,omitempty"`
	Keyed    bool             `json:"keyed,omitempty"`
	Fields   []describedField `json:"fields,omitempty"`
	Required bool             `json:"required,omitempty"`
	Once     bool             `json:"once,omitempty"`
	Server   bool             `json:"server,omitempty"`
	Ahead    bool             `json:"ahead,omitempty"`
	Mine     bool             `json:"mine"` // the reader's roles may set it
}

// named are the acts that every kind has under the same name.
var named = map[string]field.Choice{
	field.VerbCreate: {ZH: "新建", EN: "New"},
	field.VerbEdit:   {ZH: "修改", EN: "Change"},
	field.VerbList:   {ZH: "列表", EN: "List"},
	field.VerbGet:    {ZH: "查看", EN: "Look at"},
}

func (s *Server) kinds(c *fiber.Ctx) error {
	who := actor(c)
	items := []described{}
	for _, spec := range field.Kinds() {
		if spec.Desk != nil {
			items = append(items, describe(who, spec))
		}
	}
	return reply(c, struct {
		Items []described `json:"items"`
	}{items})
}

func describe(who *access.Actor, spec *field.Spec) described {
	d := described{
		Kind: spec.Kind, ZH: spec.ZH, EN: spec.EN, Path: spec.Desk.Path, Within: spec.Desk.Within, States: spec.States,
		Editing: append([]field.State{}, spec.Editable...), Filters: []describedField{}, Fields: describeFields(who, spec.Fields), Acts: []describedAct{},
	}
	for _, f := range spec.Desk.Filters {
		by := field.Field{Name: f.Name, Type: field.Enum, ZH: "状态", EN: "state", Choices: spec.States}
		if of, _ := spec.Field(f.Key); f.Name != "state" && of != nil {
			by = field.Field{Name: f.Name, Type: of.Type, ZH: of.ZH, EN: of.EN, Choices: of.Choices, Of: of.Of}
		}
		d.Filters = append(d.Filters, describeFields(who, []field.Field{by})...)
	}
	for i := range spec.Desk.Acts {
		a := &spec.Desk.Acts[i]
		act := describedAct{Verb: a.Verb, ZH: named[a.Verb].ZH, EN: named[a.Verb].EN, Mine: true}
		if a.Command != nil {
			act.ZH, act.EN, act.From = a.Command.ZH, a.Command.EN, a.Command.From
			act.Args = describeFields(who, a.Asked())
		}
		if a.Verb != field.VerbList && a.Verb != field.VerbGet && !a.Everybody {
			act.Mine = access.MayAnywhere(who, access.ActionFor(spec.Kind, a.Verb))
		}
		d.Acts = append(d.Acts, act)
	}
	return d
}

func describeFields(who *access.Actor, fields []field.Field) []describedField {
	all := make([]describedField, 0, len(fields))
	for i := range fields {
		f := &fields[i]
		d := describedField{
			Name: f.Said(), Type: f.Type, ZH: f.ZH, EN: f.EN, Max: f.Max, Choices: f.Choices, Of: f.Of, List: f.List, Keyed: f.Keyed,
			Required: f.Required, Once: f.Once, Server: f.Server, Ahead: f.Ahead, Mine: access.MaySet(who, f.Roles),
		}
		if f.Low != 0 || f.High != 0 {
			d.Low, d.High = &f.Low, &f.High
		}
		if len(f.Fields) > 0 {
			d.Fields = describeFields(who, f.Fields)
		}
		all = append(all, d)
	}
	return all
}

// names is the handler of ?ids=a,b: what is not there, or not for the reader, is left out.
func (s *Server) names(c *fiber.Ctx) error {
	given := strings.Split(c.Query("ids"), ",")
	if len(given) > workflow.MostNames {
		return field.Refuse(field.CodeTooLong, "ids has over %d items.", workflow.MostNames).InChinese("ids 超过 %d 项。", workflow.MostNames)
	}
	ids := make([]field.RecordID, 0, len(given))
	for _, id := range given {
		if !field.ValidID(id) {
			return field.Refuse(field.CodeBadID, "")
		}
		ids = append(ids, field.RecordID(id))
	}
	found, err := s.flow.Names(c.UserContext(), actor(c), ids)
	if err != nil {
		return err
	}
	return reply(c, struct {
		Names map[field.RecordID]workflow.NamedRecord `json:"names"`
	}{found})
}

// readTable gives what stands in a table. Nothing of it is kept: who imports it looks at it, and makes its records one
// by one, as everybody makes records. One is read at a time, because a workbook is much larger than its file.
func (s *Server) readTable(c *fiber.Ctx) error {
	if !s.reading.TryLock() {
		return field.Refuse(field.CodeBusy, "Another table is being read; try again in a moment.").InChinese("正在读取另一份表格，请稍后重试。")
	}
	defer s.reading.Unlock()
	sheets, err := tables.Read(c.Request().Body())
	if err != nil {
		return err
	}
	return reply(c, struct {
		Sheets []tables.Sheet `json:"sheets"`
	}{sheets})
}

package access

import (
	"fmt"
	"slices"
	"strings"

	"fieldclue/server/field"
)

// Row is one action of the table, as people read it.
type Row struct {
	Kind     field.Kind
	Verb     string       // "create", "edit", or a command
	Roles    []Role       // who has the action
	Anyone   bool         // everybody, in his own scope
	Server   bool         // the server alone
	Composed bool         // the server puts the operation together when one of the roles asks for it
	Whose    *field.Whose // for these people's records only; nil: for every record
	Others   []Role       // who has it for records of others too
	States   []field.State
}

// Action is what the row is about.
func (r *Row) Action() Action { return ActionFor(r.Kind, r.Verb) }

// Rows lists every action of every kind, with who may do it: the table and the kinds, laid over each other.
func Rows() []Row {
	var rows []Row
	for _, s := range field.Kinds() {
		create := rowOf(s.Kind, "create")
		byServer := s.ServerOK || s.Home == ""
		create.Server, create.Composed = byServer && len(create.Roles) == 0, byServer && len(create.Roles) > 0
		if s.Part != "" {
			create.Whose, create.Others = field.KindOf(field.KindReport).Whose, having(ActionFor(s.Kind, "create_others"))
		}
		rows = append(rows, create)
		if len(s.Editable) > 0 {
			edit := rowOf(s.Kind, "edit")
			edit.States = s.Editable
			if s.EditOwn {
				edit.Whose, edit.Others = s.Whose, having(ActionFor(s.Kind, "edit_others"))
			}
			rows = append(rows, edit)
		}
		for i := range s.Commands {
			c := &s.Commands[i]
			r := rowOf(s.Kind, c.Name)
			r.Server, r.Composed, r.States = c.Server && len(r.Roles) == 0, c.Server && len(r.Roles) > 0, c.From
			if own, whose := s.Own(c); own {
				r.Whose = whose
				if c.Others != "" {
					r.Others = having(ActionFor(s.Kind, c.Others))
				}
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func rowOf(kind field.Kind, verb string) Row {
	a := ActionFor(kind, verb)
	return Row{Kind: kind, Verb: verb, Roles: having(a), Anyone: own[a]}
}

// having lists the roles that have an action, in the order of the roles.
func having(a Action) []Role {
	var roles []Role
	for _, r := range everyRole() {
		if table[r].may[a] {
			roles = append(roles, r)
		}
	}
	return roles
}

func everyRole() []Role {
	var all []Role
	for _, c := range field.Roles {
		all = append(all, Role(c.Code))
	}
	return append(all, Founder)
}

// Page is docs/access.md: the table for people. A test holds the file against it.
func Page() []byte {
	p := &page{}
	p.say("# Who may see and do what\n")
	p.say("This page is made from `server/access` and `server/field` (`go test ./server/access -run Page -update`); what stands here is what")
	p.say("the program judges by. Every operation is judged once, at the commit, whatever door it comes through: a push, a click at the")
	p.say("desk, the acceptance of an operation that was kept. Nothing is written before.\n")
	p.reading()
	p.mandates()
	p.actions()
	return []byte(p.b.String())
}

type page struct{ b strings.Builder }

func (p *page) say(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func (p *page) reading() {
	p.say("## Who reads what\n")
	p.say("A scope is read whole or not at all. *own*: those of the person's organisation, within the regions and projects of the role.")
	p.say("*granted*: of those, the ones that were given one by one. *all*: those of every organisation. Everybody reads their inbox (`user/`)")
	p.say("and the reference data of their organisation (`org/`). Recusal 回避 beats all of it.\n")
	types := []field.ScopeType{}
	for _, t := range field.ScopeTypes {
		if slices.ContainsFunc(everyRole(), func(r Role) bool { return p.reads(r, t) != "" }) {
			types = append(types, t)
		}
	}
	head, line := "| role |", "|---|"
	for _, t := range types {
		head += " `" + string(t) + "/` |"
		line += "---|"
	}
	p.say("%s\n%s", head, line)
	for _, r := range everyRole() {
		cells := "| " + name(r) + " |"
		for _, t := range types {
			cells += " " + p.reads(r, t) + " |"
		}
		p.say("%s", cells)
	}
	p.say("")
}

func (p *page) reads(r Role, t field.ScopeType) string {
	for _, reach := range table[r].reads {
		if reach.scope == t {
			return [...]string{byOrg: "own", byGrant: "granted", byAll: "all"}[reach.by]
		}
	}
	return ""
}

func name(r Role) string {
	return r.EN() + " " + r.ZH()
}

func (p *page) mandates() {
	p.say("## Under a mandate 委托\n")
	p.say("A partner organisation reads and does nothing here without a mandate that is valid on the day, whatever the roles of its people. With")
	p.say("one they read what their role shows of the joint sites and the clues that it is about, and the reference data of the principal; and they do")
	p.say("what their role and a power of the mandate both allow. Its number stands in the log entry and in every view of a photo.\n")
	p.say("| power | actions |\n|---|---|")
	for _, c := range field.Powers() {
		var list []string
		for a := range powers[field.Power(c.Code)] {
			list = append(list, "`"+string(a)+"`")
		}
		slices.Sort(list)
		p.say("| %s %s (`%s`) | %s |", c.EN, c.ZH, c.Code, strings.Join(list, ", "))
	}
	p.say("")
}

func (p *page) actions() {
	p.say("## Who does what\n")
	p.say("*whose*: the action is for these people's records; the roles after “others” have it for everybody's. *states*: in which states of the record;")
	p.say("none named: in all. An action counts where the role reads, and also in the reference data and the inboxes of the person's")
	p.say("organisation (of every organisation, for the founding administrator). What else must hold is said by the command, in `server/field`.\n")
	rows := Rows()
	for _, s := range field.Kinds() {
		home := string(s.Home) + "/"
		if s.Home == "" {
			home = "the scope of the record that it is about"
		} else {
			home = "`" + home + "`"
		}
		p.say("### %s %s\n", s.EN, s.ZH)
		p.say("Lives in %s.\n", home)
		p.say("| action | by | whose | states |\n|---|---|---|---|")
		for _, r := range rows {
			if r.Kind == s.Kind {
				p.say("| `%s` | %s | %s | %s |", r.Action(), r.by(), r.whose(), join(r.States))
			}
		}
		p.fields(s)
		p.say("")
	}
}

func (r *Row) by() string {
	switch {
	case r.Server:
		return "the server"
	case r.Composed:
		return labels(r.Roles) + ", at the desk: the server puts the arguments together"
	case r.Kind == field.KindParked:
		return labels(r.Roles) + ", who may read what the operation was meant for" + map[bool]string{true: "; its author", false: ""}[r.Anyone]
	case r.Anyone && len(r.Roles) == 0:
		return "everybody, in their inbox"
	case r.Anyone:
		return labels(r.Roles) + "; everybody, of themselves"
	case len(r.Roles) == 0:
		return "nobody"
	}
	return labels(r.Roles)
}

func (r *Row) whose() string {
	if r.Whose == nil {
		return ""
	}
	if len(r.Others) > 0 {
		return r.Whose.EN + "; others: " + labels(r.Others)
	}
	return r.Whose.EN
}

func labels(roles []Role) string {
	var names []string
	for _, r := range roles {
		names = append(names, r.EN())
	}
	return strings.Join(names, ", ")
}

func join[T ~string](list []T) string {
	var names []string
	for _, s := range list {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// fields names the fields that not everybody sets who may make or change the record.
func (p *page) fields(s *field.Spec) {
	var free, server []string
	first := true
	for _, f := range s.Fields {
		said := ""
		switch {
		case f.Server:
			server = append(server, f.Name)
		case len(f.Roles) > 0:
			said = "set by the " + strings.Join(strings.Split(labels(f.Roles), ", "), " or the ")
		case f.Mends != "":
			said = "set when the record is made; the author alone corrects it while the record is " + string(f.Mends)
		case f.Author:
			said = "set by the author alone"
		case f.Once:
			said = "set when the record is made, and never changed"
		default:
			free = append(free, f.Name)
		}
		if said != "" {
			if first {
				p.say("")
				first = false
			}
			p.say("- `%s`: %s", f.Name, said)
		}
	}
	if len(free) > 0 {
		p.say("\nSet by everyone who may make or change it: %s.", code(free))
	}
	if len(server) > 0 {
		p.say("\nWritten by the server and by commands: %s.", code(server))
	}
}

func code(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

package engine_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store/mongotest"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// story is one case that two people can read: who wrote what, knowing what, what came out, and what is kept. It is told
// to the engine on a store and written down with names where ids are.
type story struct {
	*county
	text  strings.Builder
	at    time.Time
	names []string // pairs: what stands there, what is written
	shown []field.RecordID
	kept  int

	others []field.UserID // who is on the team besides 陈 and 林
}

// told is a story with the name of its file and its title.
type told struct {
	name, title string
	tell        func(s *story)
}

// tellAll holds the stories of a folder against its files, on both stores. A file without a story is an error too.
func tellAll(t *testing.T, folder string, stories []told) {
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.ContainsFunc(stories, func(s told) bool { return s.name+".md" == filepath.Base(file) }) {
			t.Errorf("%s is the file of no story", file)
		}
	}
	compare := func(t *testing.T, c *county, one told) {
		got := tell(c, one)
		file := filepath.Join("testdata", folder, one.name+".md")
		if *update {
			c.must(os.MkdirAll(filepath.Dir(file), 0o755))
			c.must(os.WriteFile(file, got, 0o644))
		}
		want, err := os.ReadFile(file)
		c.must(err)
		if !bytes.Equal(got, want) {
			t.Errorf("%s says something else than what happened, which is:\n%s", file, got)
		}
		c.sound()
	}
	t.Run("sqlite", func(t *testing.T) {
		for _, one := range stories {
			t.Run(one.name, func(t *testing.T) { compare(t, onSQLite(t), one) })
		}
	})
	t.Run("mongo", func(t *testing.T) {
		server := mongotest.Start(t)
		for _, one := range stories {
			t.Run(one.name, func(t *testing.T) { compare(t, newCounty(t, storagetest.At(t, server.URI)), one) })
		}
	})
}

func tell(c *county, one told) []byte {
	s := &story{county: c, at: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)}
	c.Engine = engine.New(engine.Options{Store: c.store, Now: func() time.Time { return s.at }, ActorOf: c.whois})
	for _, who := range []*access.Actor{c.chen, c.lin, c.zhao, c.qian, c.stranger} {
		s.knows(who)
	}
	s.name(string(c.site), "SITE")
	s.name(string(c.template), "TEMPLATE")
	s.name(string(c.project), "PROJECT")
	s.say("# %s", one.title)
	one.tell(s)
	return []byte(strings.NewReplacer(s.names...).Replace(s.text.String()))
}

func (s *story) knows(who *access.Actor) {
	s.name("desk/"+string(who.Device), "desk of "+who.Name)
	s.name(string(who.Device), "phone of "+who.Name)
	s.name(string(who.User), who.Name)
}

func (s *story) name(what, name string) { s.names = append(s.names, what, name) }

// say writes a paragraph.
func (s *story) say(format string, args ...any) {
	if s.text.Len() > 0 {
		s.text.WriteString("\n")
	}
	_, _ = fmt.Fprintf(&s.text, format+"\n", args...) // never fails
}

// later moves the clock to a time of the day.
func (s *story) later(clock string) {
	s.t.Helper()
	at, err := time.Parse("15:04", clock)
	s.must(err)
	s.at = time.Date(2026, 11, 23, at.Hour(), at.Minute(), 0, 0, time.UTC)
}

// made is a record that somebody has made before the story begins. It is shown from now on.
func (s *story) made(who *access.Actor, name string, kind field.Kind, set m) field.RecordID {
	s.t.Helper()
	made := id()
	s.name(string(made), name)
	s.writes("09:00", who, protocol.Operation{ID: made, Kind: kind, Set: fields(set)})
	return made
}

func (s *story) report(who *access.Actor) field.RecordID {
	return s.made(who, "REPORT", field.KindReport, m{
		"siteId": s.site, "templateId": s.template, "templateVersion": 1, "inspectors": append([]field.UserID{s.chen.User, s.lin.User}, s.others...), "summary": "屋顶漏雨",
		"answers": m{"roof": m{"value": "漏雨"}}, "position": m{"lat": 27.3, "lon": 105.28, "accuracy": 8},
	})
}

// writes is a push from somebody's phone. The phone's clock is two minutes late.
func (s *story) writes(clock string, who *access.Actor, ops ...protocol.Operation) []protocol.Outcome {
	s.t.Helper()
	s.later(clock)
	device := s.at.Add(-2 * time.Minute).In(time.FixedZone("", 8*3600)).Format("2006-01-02T15:04:05.000Z07:00")
	s.say("## %s  %s sends", clock, who.Name)
	for i := range ops {
		s.operation(&ops[i])
	}
	resp, err := s.Push(s.ctx, who, protocol.PushRequest{Device: who.Device, Batch: s.next(), Scope: s.scope, DeviceTime: device, Operations: ops})
	s.must(err)
	for _, out := range resp.Outcomes {
		s.outcomeOf(out)
	}
	for i := range ops {
		s.show(ops[i].ID)
	}
	return resp.Outcomes
}

func (s *story) operation(op *protocol.Operation) {
	base := "as new"
	if op.Base > 0 {
		base = fmt.Sprintf("knowing version %d", op.Base)
	}
	verb, values := "", op.Set
	if op.Command != "" {
		verb, values = ", command "+op.Command, op.Args
	}
	s.say("%s %s, %s%s", op.Kind, op.ID, base, verb)
	s.values(values)
}

// values lists values by name.
func (s *story) values(values map[string]field.Value) {
	if len(values) == 0 {
		return
	}
	s.text.WriteString("\n```\n")
	for _, name := range slices.Sorted(maps.Keys(values)) {
		_, _ = fmt.Fprintf(&s.text, "%-15s %s\n", name, plain(values[name])) // never fails
	}
	s.text.WriteString("```\n")
}

// plain is a value as people read it: compact, and texts of several lines on several lines.
func plain(v field.Value) string {
	if v == nil {
		return "(removed)"
	}
	var text string
	if json.Unmarshal(v, &text) == nil && strings.Contains(text, "\n") {
		return "|\n    " + strings.ReplaceAll(text, "\n", "\n    ")
	}
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return string(v)
	}
	return b.String()
}

func (s *story) outcomeOf(out protocol.Outcome) {
	line := "=> **" + string(out.Outcome) + "**"
	if out.Version > 0 {
		line += fmt.Sprintf(", version %d", out.Version)
	}
	if out.Code != "" {
		line += fmt.Sprintf(", `%s`: %s %s, kept as %s", out.Code, out.Message, out.MessageZH, out.RecordID)
		s.keep(out.RecordID, "KEPT")
	}
	for _, c := range out.Conflicts {
		s.keep(c, "CONFLICT")
		line += ", " + string(c)
	}
	s.say("%s", line)
}

// keep gives a record that the server made a name, and shows it.
func (s *story) keep(kept field.RecordID, name string) {
	if !slices.Contains(s.shown, kept) {
		s.kept++
		s.name(string(kept), fmt.Sprintf("%s-%d", name, s.kept))
		s.show(kept)
	}
}

func (s *story) show(id field.RecordID) {
	if !slices.Contains(s.shown, id) {
		s.shown = append(s.shown, id)
	}
}

// clicks gives a command at the desk, and says what came of it. A refused one has changed nothing.
func (s *story) clicks(clock string, who *access.Actor, record field.RecordID, command string, args m) {
	s.t.Helper()
	s.later(clock)
	r := s.get(record)
	given := ""
	if len(args) > 0 {
		given = " " + string(field.Quote(args))
	}
	s.say("## %s  %s at the desk: %s %s%s", clock, who.Name, command, record, given)
	before := s.all()
	if err := s.click(who, r, command, args); err != nil {
		e := field.AsError(err)
		s.say("=> **refused**, `%s`: %s", e.Code, e.Sentence())
		if s.all() != before {
			s.t.Error("a refused click changed something")
		}
		return
	}
	s.say("=> **done**")
}

// all is every record in its version.
func (s *story) all() string {
	var b strings.Builder
	for _, spec := range field.Kinds() {
		for _, r := range s.list(spec.Kind) {
			_, _ = fmt.Fprintln(&b, r.ID, r.Version, r.State, string(r.Document())) // never fails
		}
	}
	return b.String()
}

// afterwards writes down all that the story has touched, as it is stored.
func (s *story) afterwards() {
	s.t.Helper()
	s.say("## What is stored")
	for _, id := range s.shown {
		r := s.get(id)
		if r == nil {
			s.say("%s: there is no such record.", id)
			continue
		}
		gone := ""
		if r.Deleted {
			gone = ", a tombstone"
		}
		s.say("%s %s in %s by %s, version %d, %s%s", r.Kind, r.ID, r.Scope, r.Author, r.Version, r.State, gone)
		if len(r.Fields) == 0 {
			continue
		}
		s.text.WriteString("\n```\n")
		for _, path := range slices.Sorted(maps.Keys(r.Fields)) {
			stamp := ""
			if r.Kind != field.KindConflict && r.Kind != field.KindParked { // those are the server's own
				stamp = fmt.Sprintf("   (%s, %d)", r.Stamps[path].Device, r.Stamps[path].Seq)
			}
			_, _ = fmt.Fprintf(&s.text, "%-15s %s%s\n", path, plain(r.Fields[path]), stamp) // never fails
		}
		s.text.WriteString("```\n")
	}
}

// set is an edit of a record that was last seen in a version; nil removes.
func (s *story) set(r field.RecordID, base int64, values m) protocol.Operation {
	return protocol.Operation{ID: r, Kind: s.get(r).Kind, Base: base, Set: fields(values)}
}

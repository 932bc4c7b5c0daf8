package casefile

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// view is what the page shows. It has no script, and loads nothing but the renditions beside it.
type view struct {
	Number, Title, At, KeyID string
	State                    field.Choice
	Clue                     []row
	Subjects                 []subject
	Links                    []linkView
	Findings                 []section
	Reports                  []reportView
	Photos                   []photoView
	Interviews               []interviewView
	History                  []eventView
	Receipts                 []receiptView
	Logs                     []Log
	LeftOut                  []LeftOut
}

type (
	row     struct{ ZH, EN, Value string }
	subject struct {
		Kind field.Choice
		Name string
	}
	linkView struct {
		Kind, Relation, State         field.Choice
		Target, Label, Why, Withdrawn string
		By, At                        string
		Here                          bool
	}
	section struct {
		ID    field.RecordID
		Title string
		State field.Choice
		Rows  []row
	}
	reportView struct {
		ID         field.RecordID
		Site       string
		State      field.Choice
		Rows       []row
		Flags      []flagView
		Items      []itemView
		Photos     []photoView
		Interviews []interviewView
		Conflicts  []conflictView
	}
	flagView struct {
		Code, ZH, EN, Reason, By  string
		Severity, State, Decision field.Choice
	}
	itemView struct {
		ZH, EN, Value, CannotObtain, Note string
		Answered                          bool
		Photos                            []photoView
	}
	photoView struct {
		ID                       field.RecordID
		Caption, Small, Original string
		Facts                    []string
	}
	interviewView struct {
		ID          field.RecordID
		Alias, Text string
		State       field.Choice
		Rows        []row
	}
	conflictView struct {
		Path, Current, Offered, By string
		State, Take                field.Choice
	}
	eventView struct {
		At, DeviceAt, By, Entry, Hash string
		What                          []string
	}
	receiptView struct {
		Number, At, SHA256, File string
		Size                     int64
	}
)

func readable(t time.Time) string { return t.In(field.Beijing).Format("2006-01-02 15:04:05") }

func readableText(s string) string {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return readable(t)
	}
	return s
}

// page makes the page from the same tale that the records come from.
func (g *sealer) page() ([]byte, error) {
	clue := g.tale.image[g.clue.ID]
	v := view{
		Number: clue.Text("number"), Title: clue.Text("title"), At: readable(g.heads.At), KeyID: g.keyID(), State: stateOf(clue),
		Clue: g.rows(clue, "title", "number", "subjects", "findingId"), Logs: g.about.Logs, LeftOut: g.about.LeftOut, History: g.history(),
	}
	if err := g.subjects(&v, clue); err != nil {
		return nil, err
	}
	for _, l := range g.of(field.FiledLink, "", "") {
		v.Links = append(v.Links, g.link(l))
	}
	for _, r := range g.of(field.FiledProblem, "", "") {
		v.Findings = append(v.Findings, section{r.ID, r.Text("title"), stateOf(r), g.rows(r, "title", "evidence", "reportId", "siteId", "clueId", "item")})
	}
	for _, r := range g.of(field.FiledVisit, "", "") {
		report, err := g.report(r)
		if err != nil {
			return nil, err
		}
		v.Reports = append(v.Reports, report)
	}
	for _, r := range g.of(field.FiledPicture, "", "") {
		if g.tale.image[field.RecordID(r.Text("reportId"))] == nil {
			v.Photos = append(v.Photos, g.photo(r))
		}
		var paper receipt.Receipt
		if r.Fields["receipt"] == nil {
			continue
		}
		if err := r.Decode("receipt", &paper); err != nil {
			return nil, err
		}
		v.Receipts = append(v.Receipts, receiptView{paper.Number, readable(paper.ReceivedAt), paper.SHA256, originalName(paper.SHA256, r.Text("type")), paper.Size})
	}
	for _, r := range g.of(field.FiledWords, "", "") {
		if g.tale.image[field.RecordID(r.Text("reportId"))] == nil {
			v.Interviews = append(v.Interviews, g.interview(r))
		}
	}
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, v)
	return b.Bytes(), err
}

// of lists the records of a place in the file, those alone that carry a value in a field when one is named, the oldest
// first.
func (g *sealer) of(place field.Filing, name, value string) (found []*field.Record) {
	for _, r := range g.tale.image {
		if r.Kind.Filing() == place && (name == "" || r.Text(name) == value) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, byKindAndAge)
	return found
}

func (g *sealer) subjects(v *view, clue *field.Record) error {
	var subjects []struct{ Kind, Name string }
	if err := clue.Decode("subjects", &subjects); err != nil {
		return err
	}
	kind := choicesOf(clue.Kind, "subjects", "kind")
	for _, s := range subjects {
		v.Subjects = append(v.Subjects, subject{chosen(kind, s.Kind), s.Name})
	}
	return nil
}

func (g *sealer) link(l *field.Record) linkView {
	target := g.tale.image[field.RecordID(l.Text("targetId"))]
	v := linkView{
		Relation: chosen(choicesOf(l.Kind, "relation", ""), l.Text("relation")), State: stateOf(l), Target: l.Text("targetId"), Why: l.Text("why"),
		Withdrawn: l.Text("withdrawReason"), By: g.name(string(l.Author)), At: readable(l.CreatedAt), Here: target != nil,
	}
	v.Kind = kindOf(field.Kind(l.Text("targetKind")))
	if target != nil {
		v.Label = g.label(target)
	}
	return v
}

func (g *sealer) report(r *field.Record) (reportView, error) {
	id := string(r.ID)
	v := reportView{
		ID: r.ID, Site: g.name(r.Text("siteId")), State: stateOf(r),
		Rows: g.rows(r, "siteId", "answers", "photos", "revisitId", "severity", "returnedItems", "templateVersion"),
	}
	for _, f := range g.of(field.FiledFlag, "reportId", id) {
		v.Flags = append(v.Flags, flagView{
			Code: f.Text("code"), ZH: f.Text("zh"), EN: f.Text("en"), Reason: f.Text("reason"), By: g.name(f.Text("decidedBy")), State: stateOf(f),
			Severity: chosen(choicesOf(f.Kind, "severity", ""), f.Text("severity")), Decision: chosen(choicesOf(f.Kind, "decision", ""), f.Text("decision")),
		})
	}
	for _, c := range g.of(field.FiledConflict, "recordId", id) {
		v.Conflicts = append(v.Conflicts, conflictView{
			Path: c.Text("path"), Current: plain(c.Fields["current"]), Offered: plain(c.Fields["offered"]), By: g.name(c.Text("offeredBy")),
			State: stateOf(c), Take: chosen(choicesOf(c.Kind, "take", ""), c.Text("take")),
		})
	}
	for _, i := range g.of(field.FiledWords, "reportId", id) {
		v.Interviews = append(v.Interviews, g.interview(i))
	}
	var items []field.Item
	if t := g.tale.image[field.RecordID(r.Text("templateId"))]; t != nil {
		var err error
		if items, err = field.TemplateItems(t); err != nil {
			return v, err
		}
	}
	photos := map[string][]photoView{}
	for _, p := range g.of(field.FiledPicture, "reportId", id) {
		photos[p.Text("item")] = append(photos[p.Text("item")], g.photo(p))
	}
	keys, answers := r.Keyed("answers")
	for _, key := range keys { // answers to what no template in the file asks
		if !slices.ContainsFunc(items, func(i field.Item) bool { return i.ID == key }) {
			items = append(items, field.Item{ID: key, ZH: key})
		}
	}
	for _, item := range items {
		shown := itemView{ZH: item.ZH, EN: item.EN, Photos: photos[item.ID]}
		delete(photos, item.ID)
		if raw, ok := answers[item.ID]; ok {
			var a field.Answer
			if err := json.Unmarshal(raw, &a); err != nil {
				return v, fmt.Errorf("the answer to %s in report %s: %w", item.ID, id, err)
			}
			shown.Answered, shown.Value, shown.CannotObtain, shown.Note = len(a.Value) > 0, plain(a.Value), a.CannotObtain, a.Note
		}
		if shown.Answered || shown.CannotObtain != "" || len(shown.Photos) > 0 || item.Required {
			v.Items = append(v.Items, shown)
		}
	}
	for _, item := range slices.Sorted(maps.Keys(photos)) {
		v.Photos = append(v.Photos, photos[item]...)
	}
	return v, nil
}

func (g *sealer) photo(p *field.Record) photoView {
	v := photoView{ID: p.ID, Caption: cmp.Or(p.Text("caption"), "无说明 no caption")}
	if p.Fields["receipt"] != nil {
		v.Original = originalName(p.Text("sha256"), p.Text("type"))
		if small := smallName(p.Text("small")); g.blobs[small] {
			v.Small = small
		}
	}
	if t := p.Text("takenAt"); t != "" {
		v.Facts = append(v.Facts, "拍摄 taken "+readableText(t))
	}
	if at := p.Fields["position"]; at != nil {
		v.Facts = append(v.Facts, "位置 at "+place(at))
	}
	capture := chosen(choicesOf(p.Kind, "capture", ""), p.Text("capture"))
	v.Facts = append(v.Facts, strings.TrimSpace(capture.ZH+" "+capture.EN)+" · "+g.name(string(p.Author)))
	v.Facts = append(v.Facts, g.custody(p)...)
	if s := stateOf(p); p.Deleted || p.State == field.PhotoRejected {
		v.Facts = append(v.Facts, s.ZH+" "+s.EN+" "+p.Text("voidReason"))
	}
	return v
}

// custody says how the bytes of a photo came: hashed before they were sent, when they were whole, how often the link
// broke. Who looked at it, and where else it went, is not in the file: that would change while the case stays as it is.
func (g *sealer) custody(p *field.Record) (lines []string) {
	lines = append(lines, "声明 declared "+readable(p.CreatedAt)+" · "+g.name(string(p.Author))+" · SHA-256 "+clip(p.Text("sha256"), 16))
	var paper receipt.Receipt
	if p.Fields["receipt"] == nil || p.Decode("receipt", &paper) != nil {
		return lines
	}
	got := "收到 received " + readable(paper.ReceivedAt)
	if string(p.Fields["already"]) == "true" {
		got = "此前已有 were here already " + readable(paper.ReceivedAt)
	}
	if p.Fields["interruptions"] != nil {
		got += fmt.Sprintf(" · 中断 interrupted %d", p.Int("interruptions"))
	}
	if by := p.Text("sentBy"); by != "" {
		got += " · " + g.name(by)
	}
	return append(lines, got, "回执 receipt "+paper.Number+" · 密钥 key "+paper.KeyID)
}

func (g *sealer) interview(r *field.Record) interviewView {
	v := interviewView{ID: r.ID, Alias: r.Text("alias"), Text: r.Text("text"), State: stateOf(r), Rows: g.rows(r, "alias", "text", "reportId", "siteId", "answers", "consent")}
	var consent struct {
		Given bool
		How   string
	}
	if r.Decode("consent", &consent) == nil && r.Fields["consent"] != nil {
		v.Rows = append(v.Rows, row{"知情同意", "consent", strings.TrimSpace(plain(field.Quote(consent.Given)) + " " + consent.How)})
	}
	keys, answers := r.Keyed("answers")
	for _, k := range keys {
		v.Rows = append(v.Rows, row{k, "", plain(answers[k])})
	}
	return v
}

// history lists what happened, by entry.
func (g *sealer) history() (all []eventView) {
	type place struct {
		scope field.Scope
		seq   int64
	}
	type told struct {
		event protocol.Event
		what  []string
	}
	entries := map[place]*told{}
	for _, id := range slices.Sorted(maps.Keys(g.tale.events)) {
		r := g.tale.image[id]
		if r == nil || r.Scope.Type() == field.ScopeOrg {
			continue
		}
		for _, e := range g.tale.events[id] {
			at := place{e.Scope, e.Seq}
			if entries[at] == nil {
				entries[at] = &told{event: e}
			}
			entries[at].what = append(entries[at].what, g.what(r, e)...)
		}
	}
	list := slices.SortedFunc(maps.Values(entries), func(a, b *told) int {
		return cmp.Or(cmp.Compare(a.event.ServerTime, b.event.ServerTime), cmp.Compare(a.event.Scope, b.event.Scope), cmp.Compare(a.event.Seq, b.event.Seq))
	})
	for _, t := range list {
		e := eventView{
			At: readableText(t.event.ServerTime), DeviceAt: readableText(t.event.DeviceTime), Entry: string(t.event.Scope.Type()) + " " + strconv.FormatInt(t.event.Seq, 10),
			Hash: clip(t.event.Hash, 16), What: t.what,
		}
		if t.event.By != nil {
			e.By = g.name(string(t.event.By.ID))
		}
		all = append(all, e)
	}
	return all
}

// what says in a few words what an entry did to a record.
func (g *sealer) what(r *field.Record, e protocol.Event) (what []string) {
	kind := kindOf(r.Kind)
	spec := field.KindOf(r.Kind)
	say := func(zh, en string) {
		line := kind.ZH + "「" + clip(g.label(r), 40) + "」" + zh + " · " + en
		if !slices.Contains(what, line) {
			what = append(what, line)
		}
	}
	for _, op := range e.Operations {
		switch c := spec.Command(op.Command); {
		case op.Outcome.Outcome == "rejected":
			say("操作被拒绝："+string(op.Outcome.Code), "refused: "+string(op.Outcome.Code))
		case c != nil:
			say(c.ZH, c.EN)
		case op.Base == 0 && e.Seq == firstSeq(g.tale.events[r.ID]):
			say("新建", "made")
		default:
			say("修改", "edited")
		}
	}
	if len(e.Operations) == 0 {
		state := chosen(spec.States, string(e.State))
		switch {
		case e.Seq == firstSeq(g.tale.events[r.ID]):
			say("新建", "made")
		case e.State != "":
			say("状态："+state.ZH, state.EN)
		default:
			say("更新", "updated")
		}
	}
	return what
}

func firstSeq(events []protocol.Event) int64 { return events[0].Seq }

// rows lists the fields of a record in the order of their declaration, but for those named.
func (g *sealer) rows(r *field.Record, but ...string) (rows []row) {
	for _, f := range field.KindOf(r.Kind).Fields {
		v := r.Fields[f.Name]
		if v == nil || f.Type == field.Hash || f.Type == field.JSON || slices.Contains(but, f.Name) {
			continue
		}
		rows = append(rows, row{f.ZH, f.EN, g.value(&f, v)})
	}
	return append(rows, row{"记录人", "written by", g.name(string(r.Author)) + "　" + readable(r.CreatedAt)})
}

func (g *sealer) value(f *field.Field, v field.Value) string {
	switch f.Type {
	case field.ID:
		var names []string
		for _, id := range f.Refs(v) {
			names = append(names, g.name(string(id)))
		}
		return strings.Join(names, "、")
	case field.Enum:
		c := chosen(f.Choices, plain(v))
		return c.ZH + " " + c.EN
	case field.Time:
		return readableText(plain(v))
	case field.Position:
		return place(v)
	}
	return plain(v)
}

// name is what a record is called; its id where it is not in the file.
func (g *sealer) name(id string) string {
	if r := g.tale.image[field.RecordID(id)]; r != nil {
		return g.label(r)
	}
	return id
}

func (g *sealer) label(r *field.Record) string {
	for _, name := range []string{"name", "title", "alias", "caption", "zh", "why"} {
		if t := r.Text(name); t != "" {
			return t
		}
	}
	if r.Kind.Filing() == field.FiledVisit {
		return strings.TrimSpace(g.name(r.Text("siteId")) + " " + strings.SplitN(readableText(r.Text("startedAt")), " ", 2)[0])
	}
	return string(r.ID)
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

func stateOf(r *field.Record) field.Choice {
	return chosen(field.KindOf(r.Kind).States, string(r.State))
}

func kindOf(k field.Kind) field.Choice {
	if s := field.KindOf(k); s != nil {
		return field.Choice{Code: string(k), ZH: s.ZH, EN: s.EN}
	}
	return field.Choice{ZH: string(k)}
}

// choicesOf are the values of an enum, or of a member of an object.
func choicesOf(kind field.Kind, name, member string) []field.Choice {
	f, _ := field.KindOf(kind).Field(name)
	if member == "" {
		return f.Choices
	}
	for _, m := range f.Fields {
		if m.Name == member {
			return m.Choices
		}
	}
	return nil
}

func chosen(choices []field.Choice, code string) field.Choice {
	for _, c := range choices {
		if c.Code == code {
			return c
		}
	}
	return field.Choice{Code: code, ZH: code}
}

func place(v field.Value) string {
	var p struct {
		Lat, Lon, Accuracy float64
		Source             string
	}
	if json.Unmarshal(v, &p) != nil {
		return plain(v)
	}
	s := fmt.Sprintf("%.5f, %.5f", p.Lat, p.Lon)
	if p.Accuracy > 0 {
		s += fmt.Sprintf(" ±%.0f m", p.Accuracy)
	}
	return strings.TrimSpace(s + " " + p.Source)
}

// plain writes a JSON value as people write it.
func plain(v field.Value) string {
	var value any
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return ""
	}
	switch x := value.(type) {
	case nil:
		return "—"
	case bool:
		if x {
			return "是 yes"
		}
		return "否 no"
	case string:
		return x
	case json.Number:
		return x.String()
	case []any:
		var parts []string
		for _, p := range x {
			parts = append(parts, plain(field.Quote(p)))
		}
		return strings.Join(parts, "、")
	}
	return string(v)
}

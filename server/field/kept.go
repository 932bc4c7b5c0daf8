package field

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"fieldclue/sync/exactjson"
)

// Nothing that a person wrote disappears: a value that lost against another one is a conflict record, an operation that
// could not be applied is a parked record.

var conflictSpec = &Spec{
	Kind: KindConflict, ZH: "冲突", EN: "conflict", Opens: OpensNone, Filed: FiledConflict, Use: UseConflict, ServerOK: true,
	Initial: StateOpen, States: []Choice{{Code: "open", ZH: "待处理", EN: "open"}, {Code: "resolved", ZH: "已处理", EN: "resolved"}},
	Fields: []Field{
		{Name: "recordId", Type: ID, Required: true, Server: true, Key: true, ZH: "记录", EN: "record"},
		{Name: "recordKind", Type: Text, Server: true, ZH: "类型", EN: "kind"},
		{Name: "path", Type: Text, Server: true, ZH: "字段", EN: "path of the field"},
		{Name: "base", Type: Integer, Server: true, ZH: "基准版本", EN: "version that the device had seen"},
		{Name: "current", Type: JSON, Max: 100_000, Server: true, ZH: "现值", EN: "value that stays for the time being"},
		{Name: "currentDevice", Type: Text, Server: true, ZH: "现值设备", EN: "device of the current value"},
		{Name: "currentBy", Type: Text, Server: true, ZH: "currentDevice，供只认此旧名的应用使用", EN: "currentDevice, for apps that know it by this name"},
		{Name: "currentUser", Type: ID, Of: KindPerson, Server: true, ZH: "现值填写人", EN: "who wrote the current value"},
		{Name: "currentAt", Type: Time, Server: true, ZH: "现值时间", EN: "server time of the current value"},
		{Name: "currentVersion", Type: Integer, Server: true, ZH: "现值版本", EN: "version of the current value"},
		{Name: "offered", Type: JSON, Max: 100_000, Server: true, ZH: "另一值", EN: "value that came later"},
		{Name: "offeredUser", Type: ID, Of: KindPerson, Server: true, ZH: "另一值填写人", EN: "who wrote the value that came later"},
		{Name: "offeredBy", Type: ID, Of: KindPerson, Server: true, ZH: "offeredUser，供只认此旧名的应用使用", EN: "offeredUser, for apps that know it by this name"},
		{Name: "offeredDevice", Type: Text, Server: true, ZH: "提交设备", EN: "on which device"},
		{Name: "offeredAt", Type: Text, Server: true, ZH: "设备时间", EN: "device time"},
		{Name: "take", Type: Enum, Choices: takes, Server: true, ZH: "处理", EN: "which value was taken"},
		{Name: "resolvedBy", Type: ID, Of: KindPerson, Server: true, ZH: "处理人", EN: "resolved by"},
	},
	Commands: []Command{{
		Name: "resolve", ZH: "处理", EN: "resolve", From: []State{StateOpen}, To: ConflictResolved,
		Args: []Field{
			{Name: "take", Type: Enum, Choices: takes, Required: true, ZH: "采用", EN: "which value is taken"},
			{Name: "value", Type: JSON, Max: 100_000, ZH: "另填的值，仅在 take 为 other 时给出，写法同编辑该字段", EN: "with take other, and only then: the third value, as an edit of the field would set it"},
		},
		Own: true, Others: "arbitrate", Whose: byWriters, Do: resolveConflict,
	}},
	Desk: conflictDesk,
}

// conflictDesk is what the desk offers of it.
var conflictDesk = &Desk{
	Group: "inbox",
	Filters: []Filter{
		{Name: "state"},
		{Name: "recordId", Says: "About this record."},
	},
	Acts: []Act{
		{
			Verb: "list", Says: "Values that lost against another one.",
			More: "Both values are kept until somebody chooses.",
		},
		{
			Verb: "resolve", Says: "Choose one of two values, or write a third.",
			More: "Who wrote one of the two values, the author of the record, and who may decide about what others " +
				"wrote (the supervisor, the clue manager). What is taken is checked like an edit of the record. A " +
				"value that was removed stands in the conflict as `{\"removed\": true}`. If the field has been " +
				"changed again since, the command is refused as `stale`: keep the current value, and edit the " +
				"record.",
			Example: "take: other, value: 厨房和屋顶漏雨",
		},
	},
}

// Removed is what stands in a conflict for a value that is to be removed, or has been.
var Removed = Value(`{"removed":true}`)

// byWriters is who may resolve a conflict without being a supervisor: who wrote one of the two values, and the author
// of the record.
var byWriters = &Whose{ZH: "两个值的填写人及记录作者", EN: "who wrote one of the values, and the author of the record", People: func(look Lookup, r *Record) ([]UserID, error) {
	people := []UserID{UserID(r.Text("offeredBy")), UserID(r.Text("currentUser"))}
	target, err := look.Get(RecordID(r.Text("recordId")))
	if err == nil && target != nil {
		people = append(people, target.Author)
	}
	return people, err
}}

func resolveConflict(c *Case) error {
	take, value := c.Arg("take"), c.Args["value"]
	if (take == "other") != (value != nil) {
		return Refuse(CodeMissingField, "value goes with take other, and only with it.").InChinese("value 须且仅可与 take 取 other 时一并提供。")
	}
	c.Set("take", take)
	c.Set("resolvedBy", c.Who.User)
	if take == "current" {
		return nil
	}
	target, err := c.Look.Get(RecordID(c.Record.Text("recordId")))
	if err != nil || target == nil {
		return err
	}
	if err := KindOf(target.Kind).Changeable(c.Look, target); err != nil {
		if Is(err, CodeNotEditable) || Is(err, CodePartFrozen) {
			err = Refuse(AsError(err).Code, "The record can no longer be edited; keep the current value.").
				InChinese("记录已不可编辑，请保留现值。")
		}
		return err
	}
	path := c.Record.Text("path")
	if target.Stamps[path].Seq > c.Record.Int("currentVersion") {
		return Refuse(CodeStale, "The field has been changed again since. Keep the current value, and edit the record if the offered one is right.").
			InChinese("该字段其后又被更改。请保留现值；若另一值正确，请修改记录。")
	}
	if take == "offered" {
		value = c.Record.Fields["offered"]
	}
	if bytes.Equal(value, Removed) {
		value = nil
	}
	c.Effect(Effect{ID: target.ID, Kind: target.Kind, Scope: target.Scope, Edit: true, Set: map[string]Value{path: value}})
	return nil
}

var parkedSpec = &Spec{
	Kind: KindParked, ZH: "留存操作", EN: "parked operation", Opens: OpensNone, Filed: FiledNone, Use: UseKept, ServerOK: true, Keys: keptKeys,
	Initial: StateOpen, States: []Choice{{Code: "open", ZH: "待处理", EN: "open"}, {Code: "accepted", ZH: "已采纳", EN: "accepted"}, {Code: "settled", ZH: "已处理", EN: "settled"}, {Code: "taken", ZH: "已转录", EN: "taken over"}, {Code: "destroyed", ZH: "原文已销毁", EN: "content destroyed"}},
	Fields: []Field{
		{Name: "code", Type: Text, Server: true, Key: true, ZH: "原因代码", EN: "code of the reason"},
		{Name: "message", Type: Text, Max: 20_000, Server: true, ZH: "原因（英文）", EN: "reason"},
		{Name: "messageZh", Type: Text, Max: 20_000, Server: true, ZH: "原因", EN: "reason in Chinese"},
		{Name: "recordId", Type: Text, Max: 80, Server: true, Key: true, ZH: "记录", EN: "record that was meant"},
		{Name: "recordKind", Type: Text, Max: 80, Server: true, ZH: "类型", EN: "kind that was meant"},
		{Name: "target", Type: Text, Max: 120, Server: true, Key: true, ZH: "范围", EN: "scope that was meant"},
		{Name: "owner", Type: Org, Server: true, ZH: "归属组织", EN: "whose scope was meant"},
		{Name: "region", Type: Region, Server: true, ZH: "地区", EN: "region of the scope that was meant"},
		{Name: "project", Type: ID, Of: KindProject, Server: true, ZH: "项目", EN: "project of the scope that was meant"},
		{Name: "operation", Type: JSON, Max: 1 << 20, Server: true, ZH: "操作", EN: "the operation as it came"},
		{Name: "author", Type: ID, Of: KindPerson, Server: true, Key: true, ZH: "提交人", EN: "who sent it"},
		{Name: "device", Type: Text, Max: 200, Server: true, ZH: "设备", EN: "on which device"},
		{Name: "deviceTime", Type: Text, Server: true, ZH: "设备时间", EN: "device time"},
		{Name: "skewMs", Type: Integer, Server: true, ZH: "设备时钟偏差（毫秒）", EN: "device clock minus server clock, in ms, as the device measured it"},
		{Name: "reportId", Type: ID, Of: KindReport, Evidence: OnlyNamed, Server: true, Key: true, ZH: "报告", EN: "report to which what was meant belongs"},
		{Name: "seen", Type: Integer, Low: 0, High: 1 << 53, Server: true, ZH: "设备已读到何处", EN: "how far the device had read the scope that was meant"},
		{Name: "outcome", Type: JSON, Server: true, ZH: "采纳结果", EN: "what came of it when it was accepted"},
		{Name: "correction", Type: JSON, Max: 2 * maxCorrection, Server: true, ZH: "更正", EN: "what was corrected when it was accepted: by path what was sent and what stands in its place"},
		{Name: "correctedBy", Type: ID, Of: KindPerson, Server: true, ZH: "更正人", EN: "who corrected it"},
		{Name: "takenOver", Type: Object, Server: true, ZH: "转录至", EN: "the act by which its content was taken over", Fields: []Field{
			{Name: "scope", Type: Home, Required: true, ZH: "范围", EN: "scope"},
			{Name: "seq", Type: Integer, Required: true, ZH: "条目序号", EN: "number of the entry"},
			{Name: "recordId", Type: ID, Required: true, ZH: "记录", EN: "record"},
			{Name: "recordKind", Type: Text, Max: 80, ZH: "记录种类", EN: "kind of the record"},
		}},
		{Name: "receipt", Type: Object, Server: true, ZH: "回执", EN: "receipt of the photo that the operation declares", Fields: receiptFields},
		{Name: "interruptions", Type: Integer, Low: 0, High: 1e9, Server: true, ZH: "中断次数", EN: "interruptions of the upload"},
		{Name: "breaks", Type: Object, List: true, Items: 200, Server: true, ZH: "前 200 次中断", EN: "the first 200 interruptions", Fields: breakFields},
		{Name: "sentBy", Type: ID, Of: KindPerson, Server: true, ZH: "上传人", EN: "who began the upload"},
		{Name: "sentFrom", Type: Text, Max: 80, Server: true, ZH: "上传设备", EN: "from which device"},
		{Name: "already", Type: Bool, Server: true, ZH: "文件此前已有", EN: "the same bytes were here already, and no more were taken"},
		{Name: "decidedBy", Type: ID, Of: KindPerson, Server: true, ZH: "处理人", EN: "who accepted or settled it"},
		{Name: "note", Type: Text, Max: 1000, Server: true, ZH: "处理说明", EN: "how it was settled"},
		{Name: "sealed", Type: Bool, Server: true, ZH: "原文已封存", EN: "the operation stands here with its numbers masked; who wrote it can read it as it was"},
		{Name: "reads", Type: Integer, Low: 0, High: 1e9, Server: true, ZH: "原文查看次数", EN: "how often the content was read"},
		{Name: "readAt", Type: Time, Server: true, ZH: "最近查看时间", EN: "when it was read last"},
		{Name: "destroyedAt", Type: Time, Server: true, ZH: "销毁时间", EN: "when the content was destroyed"},
	},
	Commands: []Command{
		{
			Name: "accept", ZH: "采纳", EN: "accept", From: []State{StateOpen}, To: ParkedAccepted, Readmits: true,
			Args: []Field{{Name: "correction", Type: JSON, Max: maxCorrection, Long: true, ZH: "更正", EN: "what is put in place of parts of it"}},
			Do: func(c *Case) error {
				if c.Record.Text("author") == string(c.Who.User) {
					return Refuse(CodeReviewerIsAuthor, "Somebody else decides whether your operation is accepted.").InChinese("您的操作是否采纳，须由他人决定。")
				}
				c.Set("decidedBy", c.Who.User)
				return nil
			},
		},
		{
			Name: "store", ZH: "入库", EN: "store", Server: true, From: []State{StateOpen},
			Args: []Field{
				{Name: "receipt", Type: Object, Required: true, ZH: "回执", EN: "receipt", Fields: receiptFields},
				{Name: "interruptions", Type: Integer, Low: 0, High: 1e9, ZH: "中断次数", EN: "how often it was interrupted"},
				{Name: "breaks", Type: Object, List: true, Items: 200, ZH: "中断", EN: "interruptions", Fields: breakFields},
				{Name: "sentBy", Type: ID, Of: KindPerson, ZH: "上传人", EN: "uploaded by"},
				{Name: "sentFrom", Type: Text, Max: 80, ZH: "上传设备", EN: "uploaded from"},
				{Name: "already", Type: Bool, ZH: "文件此前已有", EN: "the bytes were here already"},
			},
			Do: func(c *Case) error {
				arrived(c)
				return nil
			},
		},
		{
			Name: "takeover", ZH: "转录", EN: "take over by hand", From: []State{StateOpen}, To: ParkedTaken, TakesOver: true,
			Args: []Field{
				{Name: "operation", Type: JSON, Max: maxCorrection, Long: true, ZH: "操作", EN: "what is done now in place of it"},
				{Name: "recordId", Type: ID, ZH: "记录", EN: "or the record into which its content was taken over"},
				{Name: "recordVersion", Type: Integer, Low: 1, High: 1 << 53, ZH: "版本", EN: "and the version of it that this made"},
				{Name: "reason", As: "note", Type: Text, Max: 1000, ZH: "说明", EN: "note"},
			},
			Do: func(c *Case) error {
				if (c.Args["operation"] != nil) == (c.Args["recordId"] != nil) || (c.Args["recordId"] != nil) != (c.Args["recordVersion"] != nil) {
					return Refuse(CodeMissingField, "Give operation, or recordId with recordVersion: the act by which the content was taken over.").
						InChinese("请提供 operation，或 recordId 与 recordVersion，说明内容由哪项操作转录。")
				}
				c.Set("decidedBy", c.Who.User)
				if note := c.Arg("reason"); note != "" {
					c.Set("note", note)
				}
				return nil
			},
		},
		{Name: "again", ZH: "重试", EN: "again", From: []State{StateOpen}, To: ParkedAccepted, Readmits: true, Server: true},
		{
			Name: "settle", ZH: "处理", EN: "settle", From: []State{StateOpen}, To: ParkedSettled, Args: []Field{reason},
			Do: func(c *Case) error {
				c.Set("note", c.Arg("reason"))
				if c.Who.User != "" {
					c.Set("decidedBy", c.Who.User)
				}
				return nil
			},
		},
		{
			Name: "read", ZH: "查看原文", EN: "read the content", Server: true, From: []State{StateOpen, ParkedSettled, ParkedAccepted, ParkedTaken},
			Do: func(c *Case) error {
				if !IsSealed(c.Record) || c.Record.Text("author") != string(c.Who.User) {
					return Refuse(CodeNotPermitted, "")
				}
				c.Set("reads", c.Record.Int("reads")+1)
				c.Set("readAt", stamp(c.Now))
				return nil
			},
		},
		{
			Name: "destroy", ZH: "销毁原文", EN: "destroy the content", From: []State{StateOpen, ParkedSettled, ParkedAccepted, ParkedTaken}, To: ParkedDestroyed, Args: []Field{reason},
			Do: func(c *Case) error {
				if !IsSealed(c.Record) {
					return Refuse(CodeNotNow, "Nothing of it is sealed: what stands in the record stays.").InChinese("其中没有封存的内容，记录中的内容保持不变。")
				}
				c.Set("note", c.Arg("reason"))
				c.Set("decidedBy", c.Who.User)
				c.Set("destroyedAt", stamp(c.Now))
				return nil
			},
		},
	},
	Desk: parkedDesk,
}

// parkedDesk is what the desk offers of it.
var parkedDesk = &Desk{
	Path: "parked", Group: "inbox",
	Acts: []Act{
		{
			Verb: "accept", Body: "AcceptParked", Says: "Let a kept operation take its effect after all.",
			More: "The operation is decided again in the scope that it was sent to, by the rules for everybody, in the " +
				"name and from the device of who sent it; what it came to stands in `outcome` of the parked record. " +
				"Who accepts must be able to read that scope, and is not the sender. An operation that is still " +
				"refused answers its code, and stays open. With `correction` it is decided with that in place of " +
				"parts of it. A command that was refused as `stale_version` is decided again on the record as it is " +
				"now.",
			Example: "correction: {set: {title: 屋顶漏雨}, drop: [facts]}",
		},
		{
			Verb: "takeover", ID: "takeOverParked", Says: "Resolve a kept operation by an act that takes its content over.", Body: "ParkedTakeOver", Everybody: true,
			More: "By who decides about kept operations, or who sent it. The act is an operation that is decided now, " +
				"in the name of who gives it, by the rules for everybody and in the same commit; or one that " +
				"somebody has done since. It stands in `takenOver`. When the act is refused, its code is answered, " +
				"and nothing has changed.",
			Example: "operation: {id: 0193a000-0000-7000-8000-0000000000f1, kind: finding, base: 19, set: {title: " +
				"屋顶漏雨}}, note: 已按原意改写",
		},
		{
			Verb: "settle", Says: "Say what was done about a parked operation.",
			More: "For who sent it, and for who may read what it was meant for: nothing of the operation takes effect. " +
				"`state_not_allowed` when it was accepted, taken over or settled already.",
			Example: "reason: 已当面核实，无需处理",
		},
		{
			Verb: "destroy", Says: "Destroy what was sealed.", Everybody: true,
			More: "By who wrote it, or a supervisor. The record says who destroyed it, when and why, and keeps the " +
				"masked copy; the key is deleted, so that nobody reads the content again. The log stays as it is " +
				"and verifies.",
			Example: "reason: 内容涉及他人隐私",
		},
	},
}

// About names the scopes of a type that an organisation owns, in a region and of a project; empty: all of them.
// Operations that were kept are found by it.
func About(t ScopeType, owner OrgID, region string, project ProjectID) string {
	return strings.Join([]string{string(t), string(owner), region, string(project)}, " ")
}

// keptKeys are the keys under which those who decide find an operation that was kept: by the owner of the scope that
// was meant, and by each way in which a role can be bounded.
func keptKeys(r *Record) []string {
	owner, region, project := OrgID(r.Text("owner")), r.Text("region"), ProjectID(r.Text("project"))
	if owner == "" {
		return nil
	}
	t := Scope(r.Text("target")).Type()
	var keys []string
	for n := range len(region) + 1 {
		keys = append(keys, KeyFor("about", About(t, owner, region[:n], "")))
		if project != "" {
			keys = append(keys, KeyFor("about", About(t, owner, region[:n], project)))
		}
	}
	return keys
}

// Declaration is what a kept operation declares of a photo.
type Declaration struct {
	Kind   Kind
	ID     RecordID
	SHA256 string
	Size   int64 // bytes
	Type   string
	Report RecordID
}

// KeptDeclaration reads the declaration of a photo that a kept operation is, whatever else is wrong with it; ok is
// false when it is none.
func KeptDeclaration(parked *Record) (d Declaration, ok bool) {
	kind := Kind(parked.Text("recordKind"))
	if !kind.DeclaresBytes() {
		return d, false
	}
	op, set := keptOperation(parked)
	d = Declaration{Kind: kind, ID: RecordID(parked.Text("recordId")), SHA256: textOf(set["sha256"]), Type: textOf(set["type"]), Report: RecordID(textOf(set["reportId"]))}
	_ = json.Unmarshal(set["size"], &d.Size) // no number: 0 bytes, which nothing has
	if t, ok := PhotoTypeOf(d.Type); ok {
		d.Type = t.Code
	}
	return d, op["command"] == nil && d.SHA256 != ""
}

// Arrival finds, among what was kept of somebody, a declaration of a photo's file for which the bytes arrived: before
// it was corrected, or accepted. nil: there is none.
func Arrival(look Lookup, photo *Record, sender UserID) (*Record, error) {
	kept, err := look.Find(KindParked, KeyFor("recordId", photo.ID))
	if err != nil {
		return nil, err
	}
	for _, r := range kept {
		d, ok := KeptDeclaration(r)
		if ok && r.Fields["receipt"] != nil && r.Text("author") == string(sender) &&
			d.SHA256 == photo.Text("sha256") && d.Size == photo.Int("size") && d.Type == photo.Text("type") {
			return r, nil
		}
	}
	return nil, nil
}

// keptOperation reads the members of a kept operation and its values, as far as it has any.
func keptOperation(parked *Record) (op, set map[string]Value) {
	op, err := exactjson.Members(parked.Fields["operation"])
	if err != nil {
		return nil, nil
	}
	set, err = exactjson.Members(op["set"])
	if err != nil {
		return op, nil
	}
	return op, set
}

func textOf(v Value) string {
	s, _ := exactjson.Text(v) // not a text: empty
	return s
}

// ConflictResolved is the state of a conflict of which it is decided which value stands.
const ConflictResolved State = "resolved"

// States of a parked operation; it begins open.
const (
	ParkedAccepted  State = "accepted"
	ParkedSettled   State = "settled"
	ParkedTaken     State = "taken"     // somebody put its content into the record by hand
	ParkedDestroyed State = "destroyed" // its content can be read no more
)

// Pulled is a record as phones pull it: what the server put into it and is longer than a value may be stays at the
// desk. Of something kept they have sent that themselves.
func Pulled(r *Record) *Record {
	var cut *Record
	for path, v := range r.Fields {
		if len(v) <= MaxValue {
			continue
		}
		if f, _ := KindOf(r.Kind).Field(path); f == nil || !f.Server {
			continue
		}
		if cut == nil {
			cut = r.Clone()
		}
		delete(cut.Fields, path)
	}
	if cut == nil {
		return r
	}
	return cut
}

// KeptOf lists the operations that were kept for a report and its parts and that nobody has decided yet, the oldest
// first.
func KeptOf(look Lookup, report *Record) ([]*Record, error) {
	found, err := look.Find(KindParked, KeyFor("reportId", report.ID))
	return slices.DeleteFunc(SentTo(found, report.Scope), func(r *Record) bool { return r.State != StateOpen }), err
}

// SentTo are those of kept operations that were sent to a scope. What was sent elsewhere belongs to no report of it,
// whichever it names.
func SentTo(kept []*Record, scope Scope) []*Record {
	return slices.DeleteFunc(kept, func(r *Record) bool { return r.Text("target") != string(scope) })
}

// IsSealed reports whether a parked record holds its operation with the numbers masked, because it said one of a
// person.
func IsSealed(parked *Record) bool { return string(parked.Fields["sealed"]) == "true" }

const defaultJSON = 20_000

// checkJSON takes any JSON of at most Max bytes and 16 levels, in its canonical form.
func (f *Field) checkJSON(v Value) (Value, error) {
	limit := f.Max
	if limit == 0 {
		limit = defaultJSON
	}
	if len(v) > limit {
		return nil, f.refuse(CodeTooLong, "has over %d bytes", "超过 %d 字节", limit)
	}
	if exactjson.Depth(v) > 16 {
		return nil, f.refuse(CodeTooLong, "is nested more than 16 levels deep", "嵌套超过 16 层")
	}
	var any json.RawMessage
	if err := json.Unmarshal(v, &any); err != nil {
		return nil, f.refuse(CodeWrongType, "is not JSON", "不是 JSON")
	}
	return Quote(any), nil // marshalling a raw message compacts it
}

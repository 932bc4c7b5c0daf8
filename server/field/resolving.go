package field

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"fieldclue/sync/exactjson"
)

// Way is how an operation that was kept can be resolved.
type Way string

// The ways. Whatever was refused, and why: the last is always open.
const (
	WayAccept   Way = "accept"   // as it is: nothing in it is wrong, somebody else or another time may let it in
	WayCorrect  Way = "correct"  // with a correction, which stands beside what was sent
	WayTakeOver Way = "takeover" // by hand: somebody puts its content into the record by an act of his own, and it names that act
)

// Ways are all of them, with labels.
var Ways = []Choice{
	{Code: string(WayAccept), ZH: "原样采纳", EN: "accept it as it is"},
	{Code: string(WayCorrect), ZH: "更正后采纳", EN: "accept it with a correction"},
	{Code: string(WayTakeOver), ZH: "手工转录", EN: "take it over by hand"},
}

// resolved says how what was refused with a code can be resolved besides by hand. The table stands in docs/sync.md too.
var resolved = map[Code][]Way{
	// The operation is good; who sent it, where, or when is what did not fit.
	CodeNotFound: {WayAccept}, CodeNotPermitted: {WayAccept}, CodeNotYours: {WayAccept}, CodeRecused: {WayAccept}, CodeDeviceRevoked: {WayAccept},
	CodeForeignOrg: {WayAccept}, CodeReviewerIsAuthor: {WayAccept}, CodeSecondPerson: {WayAccept},
	CodeStale: {WayAccept}, CodeNotNow: {WayAccept}, CodeNotEditable: {WayAccept}, CodePartFrozen: {WayAccept}, CodeClueEnded: {WayAccept, WayCorrect},
	CodePhotosMissing: {WayAccept}, CodeAnswersMissing: {WayAccept}, CodeFlagsOpen: {WayAccept}, CodePhotosUnexamined: {WayAccept}, CodeConflictsOpen: {WayAccept}, CodeFlagsUnnamed: {WayAccept}, CodeTemplateState: {WayAccept},
	CodeAnswersUnfit: {WayAccept}, CodeSeedNotAnnounced: {WayAccept}, CodeTasksOpen: {WayAccept},
	// It may become good by itself, and it may be put right.
	CodeUnknownKind: {WayAccept, WayCorrect}, CodeUnknownField: {WayAccept, WayCorrect}, CodeUnknownCommand: {WayAccept, WayCorrect},
	CodeUnknownRecord: {WayAccept, WayCorrect}, CodeTwoInspectors: {WayAccept, WayCorrect}, CodeCannotDo: {WayAccept, WayCorrect},
	CodeReportUnfit: {WayAccept, WayCorrect},
	// It says something that cannot stand.
	CodeBadRequest: {WayCorrect}, CodeWrongType: {WayCorrect}, CodeTooLong: {WayCorrect}, CodeOutOfRange: {WayCorrect},
	CodeBadPosition: {WayCorrect}, CodeBadTime: {WayCorrect}, CodeBadID: {WayCorrect}, CodeWrongKind: {WayCorrect}, CodeWrongScope: {WayCorrect},
	CodeMissingField: {WayCorrect}, CodeReadOnlyField: {WayCorrect}, CodeBadChoice: {WayCorrect}, CodeVoided: {WayCorrect},
	CodeReasonMissing: {WayCorrect}, CodeViolationMissing: {WayCorrect}, CodeAsksAgain: {WayCorrect}, CodeTooManyPhotos: {WayCorrect},
	CodeDuplicateLink: {WayCorrect}, CodeIdentityInText: {WayCorrect}, CodeMovedField: {WayCorrect},
	// What it was about is gone.
	CodeContentDestroyed: {},
}

// WaysOf lists how an operation that was refused with a code can be resolved. It is never empty.
func WaysOf(c Code) []Way { return append(slices.Clone(resolved[c]), WayTakeOver) }

// WaysFor lists how a kept operation can be resolved; none once it is.
func WaysFor(parked *Record) []Way {
	if parked.State != StateOpen {
		return []Way{}
	}
	return WaysOf(Code(parked.Text("code")))
}

// KeptCodes lists the codes with which an operation can be refused and kept.
func KeptCodes() []Code { return slices.Sorted(maps.Keys(resolved)) }

// Correction is what is put in place of parts of a kept operation: a member that is there replaces that of the
// operation.
type Correction struct {
	ID      RecordID         `json:"id,omitempty"`
	Kind    Kind             `json:"kind,omitempty"`
	Scope   Scope            `json:"scope,omitempty"` // where it belongs
	Base    *int64           `json:"base,omitempty"`
	Command string           `json:"command,omitempty"`
	Set     map[string]Value `json:"set,omitempty"`  // by path
	Args    map[string]Value `json:"args,omitempty"` // by name
	Drop    []string         `json:"drop,omitempty"` // paths of set, names of args, and members of the operation that are left out
}

// maxCorrection bounds a correction, in bytes: what it corrects fits into a record.
const maxCorrection = MaxRecord

// ReadCorrection reads the argument of accept; nil when there is none.
func ReadCorrection(v Value) (*Correction, error) {
	if v == nil {
		return nil, nil
	}
	var c Correction
	if err := exactjson.Exact(v, &c); err != nil || string(v) == "null" {
		return nil, Refuse(CodeWrongType, "correction is not {id, kind, scope, base, command, set, args, drop}.").
			InChinese("correction 不是 {id, kind, scope, base, command, set, args, drop}。")
	}
	return &c, nil
}

// Apply makes the corrected operation. What was masked in it must have been corrected: CodeIdentityInText.
func (c *Correction) Apply(operation Value) (Value, error) {
	members, err := exactjson.Members(operation)
	if err != nil {
		return nil, Refuse(CodeBadRequest, "The operation is no JSON object; take its content over by hand.").
			InChinese("该操作不是 JSON 对象，请手工转录其内容。")
	}
	for _, name := range c.Drop {
		if !leaveOut(members, name) {
			return nil, Refuse(CodeBadRequest, "drop names %s, which the operation does not have.", clip(name)).
				InChinese("drop 列出的 %s 在该操作中不存在。", clip(name))
		}
	}
	for name, v := range map[string]any{"id": c.ID, "kind": c.Kind, "command": c.Command} {
		if q := Quote(v); string(q) != `""` {
			members[name] = q
		}
	}
	if c.Base != nil {
		members["base"] = Quote(c.Base)
	}
	for name, put := range map[string]map[string]Value{"set": c.Set, "args": c.Args} {
		if len(put) == 0 {
			continue
		}
		values, err := exactjson.Members(members[name])
		if err != nil {
			values = map[string]Value{}
		}
		for path, v := range put {
			place(values, path, v)
		}
		members[name] = Quote(values)
	}
	out := Quote(members)
	if at := maskedAt(members, ""); at != "" {
		return nil, Refuse(CodeIdentityInText, "%s holds a number of a person, which is sealed. Put another text in its place.", clip(at)).
			InChinese("%s 中含有已封存的个人号码，请换用其他文字。", clip(at))
	}
	return out, nil
}

// place sets a value by path: inside the object that stands under the name, if one does.
func place(values map[string]Value, path string, v Value) {
	name, key, keyed := strings.Cut(path, ".")
	if keyed && values[path] == nil {
		if inner, err := exactjson.Members(values[name]); err == nil {
			inner[key] = v
			values[name] = Quote(inner)
			return
		}
	}
	values[path] = v
}

// leaveOut leaves a member, a value or an argument out; false when there is none of the name.
func leaveOut(members map[string]Value, path string) bool {
	for _, where := range []string{"set", "args"} {
		values, err := exactjson.Members(members[where])
		if err != nil {
			continue
		}
		_, found := values[path]
		delete(values, path)
		if name, key, keyed := strings.Cut(path, "."); keyed && !found {
			if inner, err := exactjson.Members(values[name]); err == nil {
				_, found = inner[key]
				delete(inner, key)
				values[name] = Quote(inner)
			}
		}
		if found {
			members[where] = Quote(values)
			return true
		}
	}
	_, found := members[path]
	delete(members, path)
	return found
}

// maskedAt names a value in which something is masked; empty: there is none.
func maskedAt(members map[string]Value, under string) string {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		v := members[name]
		if !bytes.Contains(v, []byte(masked)) && !strings.Contains(name, masked) {
			continue
		}
		if inner, err := exactjson.Members(v); err == nil && under == "" {
			if at := maskedAt(inner, name+"."); at != "" {
				return at
			}
		}
		return under + name
	}
	return ""
}

// Corrected tells what a correction changed: by path what was sent and what stands in its place.
func (c *Correction) Corrected(operation Value) Value {
	type change struct {
		Was Value `json:"was,omitempty"`
		Is  Value `json:"is,omitempty"`
	}
	changed := map[string]change{}
	members, _ := exactjson.Members(operation) // it was applied before
	was := func(where, path string) Value {
		values, err := exactjson.Members(members[where])
		if err != nil {
			return nil
		}
		if v := values[path]; v != nil {
			return v
		}
		name, key, _ := strings.Cut(path, ".")
		inner, err := exactjson.Members(values[name])
		if err != nil {
			return nil
		}
		return inner[key]
	}
	for path, v := range c.Set {
		changed["set."+path] = change{was("set", path), v}
	}
	for name, v := range c.Args {
		changed["args."+name] = change{was("args", name), v}
	}
	for _, path := range c.Drop {
		v := was("set", path)
		if v == nil {
			v = was("args", path)
		}
		if v == nil {
			v = members[path]
		}
		changed["drop."+path] = change{Was: v}
	}
	for name, v := range map[string]Value{"id": Quote(c.ID), "kind": Quote(c.Kind), "scope": Quote(c.Scope), "command": Quote(c.Command), "base": Quote(c.Base)} {
		if s := string(v); s != `""` && s != "null" {
			changed[name] = change{members[name], v}
		}
	}
	return Quote(changed)
}

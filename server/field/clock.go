package field

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"fieldclue/sync/exactjson"
)

// What the clock of a phone said is evidence: it is kept as it was stated, whatever it was, and orders nothing. Where
// something speaks against it the record says so beside it, with the server's time and what the phone measured of its
// own clock, and one flag for the report asks the reviewer, who may put the right time beside the stated one. Nobody's
// day of work is refused for it.

// Sent is when and with which clock an operation was sent.
type Sent struct {
	At         time.Time // the server's clock when it came; of one that was kept, when it was kept
	DeviceTime string    // as the phone stated it when it sealed the batch
	SkewMS     int64     // the phone's clock minus the server's, as the phone measured it; 0: it did not
}

// How far a stated time may be from the server's before it is doubtful: as much as rule Q3 allows a phone's clock to be
// off, and as long as a phone may have been away.
const (
	clockSlack = 5 * time.Minute
	longAway   = 400 * 24 * time.Hour
)

var clockDoubts = []Choice{
	{Code: "ahead", ZH: "晚于服务器时间", EN: "later than the server's time"},
	{Code: "long_ago", ZH: "早于服务器时间 400 天以上", EN: "over 400 days before the server's time"},
	{Code: "skew", ZH: "手机自测时钟偏差超过 5 分钟", EN: "the phone measured that its clock is over 5 minutes off"},
	{Code: "device_ahead", ZH: "手机时间晚于服务器时间", EN: "the phone's own time was later than the server's"},
	{Code: "device_time", ZH: "手机时间无法读取", EN: "the phone's own time cannot be read"},
	{Code: "reversed", ZH: "结束早于开始", EN: "the end is before the start"},
}

// Clock is what makes times of a record doubtful.
type Clock struct {
	Times      []string `json:"times"` // paths
	Why        []string `json:"why"`   // codes of clockDoubts
	ServerTime string   `json:"serverTime"`
	DeviceTime string   `json:"deviceTime,omitempty"`
	SkewMS     int64    `json:"skewMs,omitempty"`
}

var clockField = Field{Name: "clock", Type: Object, Server: true, ZH: "存疑时间", EN: "times that are doubtful, and why", Fields: []Field{
	{Name: "times", Type: Text, Max: 100, List: true, Items: 250, Required: true, ZH: "字段", EN: "paths of the times"},
	{Name: "why", Type: Enum, Choices: clockDoubts, List: true, Required: true, ZH: "原因", EN: "why"},
	{Name: "serverTime", Type: Time, Required: true, ZH: "服务器时间", EN: "the server's clock when they came"},
	{Name: "deviceTime", Type: Text, ZH: "手机时间", EN: "the phone's clock when it sent them"},
	{Name: "skewMs", Type: Integer, ZH: "手机时钟偏差（毫秒）", EN: "the phone's clock minus the server's, in ms"},
}}

// RightTime is the right time beside one that was stated.
type RightTime struct {
	Of        string `json:"of"` // path
	Stated    string `json:"stated"`
	Corrected string `json:"corrected"`
	By        UserID `json:"by"`
	At        string `json:"at"`
	Reason    string `json:"reason"`
}

var correctionsField = Field{Name: "corrections", Type: Object, List: true, Items: 250, Server: true, ZH: "时间更正", EN: "times that were corrected, with both values", Fields: []Field{
	{Name: "of", Type: Text, Max: 100, Required: true, ZH: "时间的路径", EN: "path of the time"},
	{Name: "stated", Type: Time, Required: true, ZH: "原填时间", EN: "as it was stated"},
	{Name: "corrected", Type: Time, Required: true, ZH: "更正后的时间", EN: "as it was"},
	{Name: "by", Type: ID, Of: KindPerson, Required: true, ZH: "更正人", EN: "who corrected it"},
	{Name: "at", Type: Time, Required: true, ZH: "更正于", EN: "when"},
	{Name: "reason", Type: Text, Max: 1000, Required: true, ZH: "理由", EN: "why"},
}}

// correctTimes is the reviewer's command.
func correctTimes(from ...State) Command {
	return Command{
		Name: "correct", ZH: "更正时间", EN: "correct times", From: from,
		Args: []Field{{Name: "times", Type: Object, List: true, Items: 250, Required: true, ZH: "时间", EN: "times", Fields: []Field{
			{Name: "of", Type: Text, Max: 100, Required: true, ZH: "时间的路径，如 startedAt 或 answers.roof.at", EN: "path of the time, such as startedAt or answers.roof.at"},
			{Name: "to", Type: Time, Required: true, ZH: "更正为", EN: "the right time"},
		}}, reason},
		Do: func(c *Case) error {
			if err := notItsAuthor(c, c.Record); err != nil {
				return err
			}
			var times []struct{ Of, To string }
			if err := json.Unmarshal(c.Args["times"], &times); err != nil || len(times) == 0 {
				return Refuse(CodeMissingField, "times: say which times are corrected, and to what.").InChinese("times：请说明更正哪些时间，以及更正为何时。")
			}
			stated := statedTimes(KindOf(c.Record.Kind), c.Record.Fields)
			corrections := c.Record.corrections()
			for i, t := range times {
				to, _ := ParseTime(t.To) // checked with the arguments
				was, there := stated[t.Of]
				switch {
				case !there:
					return Refuse(CodeBadChoice, "The record states no time %s.", clip(t.Of)).InChinese("记录中没有时间 %s。", clip(t.Of))
				case to.After(c.Now.Add(clockSlack)):
					return Refuse(CodeBadTime, "%s cannot be later than now.", clip(t.Of)).InChinese("%s 不得晚于当前时间。", clip(t.Of))
				case slices.ContainsFunc(times[:i], func(o struct{ Of, To string }) bool { return o.Of == t.Of }):
					return Refuse(CodeBadRequest, "%s is corrected twice.", clip(t.Of)).InChinese("%s 重复更正。", clip(t.Of))
				}
				corrections = slices.DeleteFunc(corrections, func(k RightTime) bool { return k.Of == t.Of })
				corrections = append(corrections, RightTime{Of: t.Of, Stated: stamp(was), Corrected: stamp(to), By: c.Who.User, At: stamp(c.Now), Reason: c.Arg("reason")})
			}
			slices.SortFunc(corrections, func(a, b RightTime) int { return strings.Compare(a.Of, b.Of) })
			c.Set("corrections", corrections)
			return nil
		},
	}
}

func (r *Record) corrections() []RightTime {
	var all []RightTime
	_ = r.Decode("corrections", &all) // written here; what cannot be read corrects nothing
	return all
}

// Moment is a stated time as it was corrected, if it was; the zero time if there is none.
func (r *Record) Moment(path string) time.Time {
	for _, k := range r.corrections() {
		if at, ok := ParseTime(k.Corrected); ok && k.Of == path {
			return at
		}
	}
	return r.Time(path)
}

// Doubtful reports whether something speaks against a stated time and nobody has put the right one beside it.
func (r *Record) Doubtful(path string) bool {
	var k Clock
	_ = r.Decode("clock", &k) // written here
	return slices.Contains(k.Times, path) && !slices.ContainsFunc(r.corrections(), func(k RightTime) bool { return k.Of == path })
}

// statedTimes are the times that a clock said among values, by path.
func statedTimes(s *Spec, values map[string]Value) map[string]time.Time {
	times := map[string]time.Time{}
	for path, v := range values {
		if f, _ := s.Field(path); f != nil && !f.Server && v != nil {
			f.stated(path, v, times)
		}
	}
	return times
}

func (f *Field) stated(path string, v Value, into map[string]time.Time) {
	switch {
	case f.List || f.Ahead:
	case f.Type == Time:
		if s, ok := exactjson.Text(v); ok {
			if at, ok := ParseTime(s); ok {
				into[path] = at
			}
		}
	case f.Type == Object && f.holdsTime():
		members, err := exactjson.Members(v)
		for i := range f.Fields {
			if m := members[f.Fields[i].Name]; err == nil && m != nil {
				f.Fields[i].stated(path+"."+f.Fields[i].Name, m, into)
			}
		}
	}
}

// DoubtTimes looks at the times among what an operation sets in the case's record, after it was made or edited. It
// marks the doubtful ones in the record and raises the flag. A correction of a time that is stated anew goes: it was of
// another one.
func DoubtTimes(c *Case, set map[string]Value, sent Sent) error {
	spec := KindOf(c.Record.Kind)
	if spec == nil || spec.field["clock"] == nil {
		return nil
	}
	stated := statedTimes(spec, set)
	if len(stated) == 0 {
		return nil
	}
	why, doubtful := doubts(c.Record, stated, sent)
	var clock Clock
	if err := c.Record.Decode("clock", &clock); err != nil {
		return err
	}
	clock.Times = slices.DeleteFunc(clock.Times, func(path string) bool { _, again := stated[path]; return again })
	if len(clock.Times) == 0 {
		clock.Why = nil
	}
	corrections := slices.DeleteFunc(c.Record.corrections(), func(k RightTime) bool { at, again := stated[k.Of]; return again && stamp(at) != k.Stated })
	if c.Record.Fields["corrections"] != nil {
		c.Set("corrections", corrections)
	}
	if len(doubtful) > 0 {
		clock.Times = append(clock.Times, doubtful...)
		slices.Sort(clock.Times)
		for _, w := range why {
			if !slices.Contains(clock.Why, w) {
				clock.Why = append(clock.Why, w)
			}
		}
		slices.Sort(clock.Why)
		clock.ServerTime, clock.DeviceTime, clock.SkewMS = stamp(sent.At), clipTo(MaskIdentity(sent.DeviceTime), 80), sent.SkewMS
	}
	if len(clock.Times) == 0 {
		delete(c.Record.Fields, "clock")
		return nil
	}
	c.Set("clock", clock)
	if len(doubtful) == 0 {
		return nil
	}
	return flagClock(c, stated, doubtful, clock)
}

// doubts says which of the stated times are doubtful, and why.
func doubts(r *Record, stated map[string]time.Time, sent Sent) (why, paths []string) {
	add := func(code string, these ...string) {
		why = append(why, code)
		for _, p := range these {
			if !slices.Contains(paths, p) {
				paths = append(paths, p)
			}
		}
	}
	var ahead, ago, all []string
	for path, at := range stated {
		all = append(all, path)
		if at.After(sent.At.Add(clockSlack)) {
			ahead = append(ahead, path)
		}
		if at.Before(sent.At.Add(-longAway)) {
			ago = append(ago, path)
		}
	}
	if len(ahead) > 0 {
		add("ahead", ahead...)
	}
	if len(ago) > 0 {
		add("long_ago", ago...)
	}
	if sent.SkewMS > clockSlack.Milliseconds() || sent.SkewMS < -clockSlack.Milliseconds() {
		add("skew", all...)
	}
	if sent.DeviceTime != "" {
		switch at, ok := ParseTime(sent.DeviceTime); {
		case !ok:
			add("device_time", all...)
		case at.After(sent.At.Add(clockSlack)):
			add("device_ahead", all...)
		}
	}
	start, end := r.Moment("startedAt"), r.Moment("endedAt")
	if r.Fields["startedAt"] != nil && r.Fields["endedAt"] != nil && end.Before(start) && len(paths) > 0 {
		add("reversed", slices.DeleteFunc(slices.Clone(all), func(p string) bool { return p != "startedAt" && p != "endedAt" })...)
	}
	slices.Sort(paths)
	return why, paths
}

// ClockDoubtful is the code of the flag that asks the reviewer about a clock.
const ClockDoubtful = "clock_doubtful"

// clockInputs are what the flag rests on: the first records with their times as they were stated.
type clockInputs struct {
	Records []clockRecord `json:"records"`
	More    int           `json:"more,omitempty"` // records that are not listed
	Clock
}

type clockRecord struct {
	ID     RecordID          `json:"id"`
	Kind   Kind              `json:"kind"`
	Stated map[string]string `json:"stated"` // the first ten, by path
}

const mostClockRecords = 30

// flagClock raises one flag for the report that the record is, or is a part of, or adds to the one that waits there.
func flagClock(c *Case, stated map[string]time.Time, doubtful []string, clock Clock) error {
	about := c.Record.ID
	report := RecordID(c.Record.Text("reportId"))
	if c.Record.Kind == KindReport {
		report = c.Record.ID
	}
	if report != "" {
		about = report
	}
	raised, err := c.Look.Find(KindFlag, KeyFor("targetId", about))
	if err != nil {
		return err
	}
	raised = slices.DeleteFunc(raised, func(f *Record) bool { return f.Text("code") != ClockDoubtful })
	id, inputs := c.NewID("clock", string(about), fmt.Sprint(len(raised))), clockInputs{}
	if i := slices.IndexFunc(raised, func(f *Record) bool { return f.State == FlagRaised }); i >= 0 {
		id = raised[i].ID
		if err := raised[i].Decode("inputs", &inputs); err != nil {
			return err
		}
	}
	for _, w := range inputs.Why {
		if !slices.Contains(clock.Why, w) {
			clock.Why = append(clock.Why, w)
		}
	}
	clock.Times = nil // they stand by record
	inputs.Clock = clock
	one := clockRecord{ID: c.Record.ID, Kind: c.Record.Kind, Stated: map[string]string{}}
	for _, path := range doubtful[:min(len(doubtful), 10)] {
		one.Stated[path] = stamp(stated[path])
	}
	inputs.Records = slices.DeleteFunc(inputs.Records, func(r clockRecord) bool { return r.ID == one.ID })
	if len(inputs.Records) < mostClockRecords {
		inputs.Records = append(inputs.Records, one)
	} else {
		inputs.More++
	}
	set := map[string]Value{
		"code": Quote(ClockDoubtful), "rule": Quote("Q3/3"), "severity": Quote("review"), "targetId": Quote(about), "inputs": Quote(inputs),
		"zh": Quote("手机时钟存疑：" + labelsOf(clock.Why, true) + "。所填时间按原样保留，请对照服务器时间核实，必要时更正。"),
		"en": Quote("The phone's clock is doubtful: " + labelsOf(clock.Why, false) + ". Its times are kept as they were stated. Compare them with the server's, and correct them if need be."),
	}
	if report != "" {
		set["reportId"] = Quote(report)
	}
	c.Effect(Effect{ID: id, Kind: KindFlag, Scope: c.Record.Scope, Make: true, Set: set})
	if c.Record.Kind == KindReport {
		c.Set("severity", max(c.Record.Int("severity"), SeverityRank("review")))
		return nil
	}
	if report == "" {
		return nil
	}
	r, err := c.Look.Get(report)
	if err == nil && r != nil && r.Kind == KindReport && r.Scope == c.Record.Scope && inReview(r.State) && r.Int("severity") < SeverityRank("review") {
		c.Effect(Effect{ID: r.ID, Kind: KindReport, Scope: r.Scope, Set: map[string]Value{"severity": Quote(SeverityRank("review"))}})
	}
	return err
}

// inReview reports whether a report waits in the queue: before that, its severity is worked out when it is submitted.
func inReview(s State) bool {
	return s == ReportSubmitted || s == ReportResubmitted || s == ReportUnderReview
}

func labelsOf(codes []string, zh bool) string {
	var names []string
	for _, d := range clockDoubts {
		switch {
		case !slices.Contains(codes, d.Code):
		case zh:
			names = append(names, d.ZH)
		default:
			names = append(names, d.EN)
		}
	}
	if zh {
		return strings.Join(names, "；")
	}
	return strings.Join(names, "; ")
}

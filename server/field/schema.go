package field

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"fieldclue/sync/exactjson"
)

// Choice is one value of an enum, with its labels.
type Choice struct {
	Code  string `json:"code"`
	ZH    string `json:"zh"`
	EN    string `json:"en"`
	Group string `json:"group,omitempty"` // red lines and violation types come in three groups each
}

// Type is the type of a field's value.
type Type string

// The types.
const (
	Text     Type = "text"     // a string of at most Max characters
	Number   Type = "number"   // between Low and High
	Integer  Type = "integer"  // between Low and High
	Bool     Type = "bool"     //
	Enum     Type = "enum"     // the code of one of Choices
	Time     Type = "time"     // RFC 3339 with offset, stored in UTC to the millisecond; Ahead: from 2000 to 2100
	Date     Type = "date"     // 2006-01-02, from 1900 to 2100
	ID       Type = "id"       // the id of a record of kind Of
	Hash     Type = "hash"     // SHA-256, lower-case hex
	Org      Type = "org"      // an organisation's short name
	Home     Type = "scope"    // a scope
	Region   Type = "region"   // a GB/T 2260 code of six digits
	Position Type = "position" // {lat, lon, accuracy, source, system}: one merge group
	Object   Type = "object"   // Fields: one merge group
	JSON     Type = "json"     // anything of at most Max bytes; written by the server only
	Any      Type = "any"      // a text, number, bool or list of texts: the value of an answer
)

// Field declares one field of a kind, or one member of an object.
type Field struct {
	Name     string
	Type     Type
	ZH, EN   string
	Max      int               // characters of a text, default 200
	Low      float64           // with High: the range of a number
	High     float64           //
	Choices  []Choice          // of an enum
	Also     map[string]string // other names of a choice; what is kept is the choice
	Of       Kind              // of an id
	List     bool              // a list of such values, set as one; Items at most
	Items    int               // default 100
	Keyed    bool              // one such value per key: the path is name.key; each is merged by itself
	Fields   []Field           // of an object: set as one value, merged as one
	Required bool              // when the record (or object, or command) is made
	Once     bool              // never changed after the record is made
	Mends    State             // but in this state, where nothing rests on it yet, it may be corrected
	Server   bool              // written by the server and by commands only
	Ahead    bool              // a time that is planned: a deadline; every other is what a clock said
	Key      bool              // lists find the record by it
	Roles    []Role            // who sets it; empty: every role that may make or change the record
	Author   bool              // of those whose record it is, the author alone sets it once the record is made
	Withheld bool              // not shown in the file of a case: of those who are named there most have no part in it
	Long     bool              // an argument that may have more than MaxValue bytes: it is no value that phones pull
	Moved    string            // older servers kept it here; the sentence that says where it lies now, for who still sets it
	MovedZH  string            // and in Chinese
	As       string            // the name of an argument in a body of the desk, where it is another one
	Evidence Bearing           // of an id of a photo, an interview or a visit: whether the record rests on it; every such field says it
}

const (
	defaultText  = 200
	defaultItems = 100
	maxKeyed     = 200
)

// The plans that are taken.
var earliest, latest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// Check validates one value against its field and returns it in its canonical form: compact, keys of objects in order.
// What is returned may share the bytes of v. A JSON null means "no value" and is returned as nil; required members may
// not be null.
func (f *Field) Check(v Value) (Value, error) {
	v = bytes.TrimSpace(v)
	if len(v) == 0 || bytes.Equal(v, []byte("null")) {
		return nil, nil
	}
	if most := f.Bytes(); len(v) > 2*most+1024 { // so long that space between the tokens does not explain it
		return nil, f.refuse(CodeTooLong, "has over %d bytes", "超过 %d 字节", most)
	}
	check := f.checkOne
	if f.List {
		check = f.checkList
	}
	c, err := check(v)
	if err == nil && len(c) > f.Bytes() {
		return nil, f.refuse(CodeTooLong, "has over %d bytes", "超过 %d 字节", f.Bytes())
	}
	return c, err
}

func (f *Field) checkList(v Value) (Value, error) {
	var items []Value
	if err := json.Unmarshal(v, &items); err != nil {
		return nil, f.refuse(CodeWrongType, "is not a list", "不是列表")
	}
	limit := f.Items
	if limit == 0 {
		limit = defaultItems
	}
	if len(items) > limit {
		return nil, f.refuse(CodeTooLong, "has over %d items", "超过 %d 项", limit)
	}
	out := []byte{'['}
	for i, item := range items {
		c, err := f.checkOne(bytes.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, c...)
	}
	return append(out, ']'), nil
}

// refuse says what is wrong with the value of the field: the name of the field comes before it, a full stop after it.
func (f *Field) refuse(code Code, en, zh string, args ...any) error {
	return Refuse(code, "%s %s.", f.Name, fmt.Sprintf(en, args...)).InChinese("%s %s。", f.Name, fmt.Sprintf(zh, args...))
}

// choicesSaid names the first choices, by their codes.
func choicesSaid(choices []Choice, comma string) string {
	const few = 12
	var codes []string
	for _, c := range choices[:min(len(choices), few)] {
		codes = append(codes, c.Code)
	}
	if len(choices) > few {
		codes = append(codes, "…")
	}
	return strings.Join(codes, comma)
}

func (f *Field) text(v Value) (string, error) {
	s, ok := "", false
	if utf8.Valid(v) {
		s, ok = exactjson.Text(v)
	}
	if !ok {
		return "", f.refuse(CodeWrongType, "is not a text", "不是文本")
	}
	if strings.ContainsRune(s, 0) {
		return "", f.refuse(CodeWrongType, "holds a NUL character", "含有 NUL 字符")
	}
	return s, nil
}

// whole is a value that nothing can be appended to in place: it may be a slice of a request.
func whole(v Value) Value { return v[:len(v):len(v)] }

func (f *Field) checkOne(v Value) (Value, error) {
	switch f.Type {
	case Number, Integer:
		return f.checkNumber(v)
	case Bool:
		if s := string(v); s != "true" && s != "false" {
			return nil, f.refuse(CodeWrongType, "is neither true nor false", "既不是 true 也不是 false")
		}
		return whole(v), nil
	case Position:
		return f.checkPosition(v)
	case Object:
		return f.checkObject(v)
	case Any:
		return f.checkAny(v)
	case JSON:
		return f.checkJSON(v)
	case Time:
		s, err := f.text(v)
		if err != nil {
			return nil, err
		}
		return f.checkTime(s)
	}
	if f.Also != nil {
		s, _ := exactjson.Text(v)
		if choice, ok := f.Also[s]; ok {
			return Quote(choice), nil
		}
	}
	if inner, ok := exactjson.Plain(v); ok { // as most texts are, and then the value stays as it is
		if err := f.checkPlain(inner); err != nil {
			return nil, err
		}
		return whole(v), nil
	}
	s, err := f.text(v)
	if err != nil {
		return nil, err
	}
	if err := f.checkText(s); err != nil {
		return nil, err
	}
	return exactjson.AppendText(nil, s), nil
}

// checkPlain is checkText without a copy of the text for the types of which there is most.
func (f *Field) checkPlain(s []byte) error {
	limit := f.Max
	if limit == 0 {
		limit = defaultText
	}
	switch {
	case f.Type == Text && len(s) <= limit && (!f.Required || !Blank(s)):
		return nil // there are no more characters than bytes
	case f.Type == Enum:
		for i := range f.Choices {
			if f.Choices[i].Code == string(s) {
				return nil
			}
		}
	}
	return f.checkText(string(s))
}

func (f *Field) checkText(s string) error {
	if f.Type != Text && len(s) > mostText-2 {
		return f.refuse(CodeTooLong, "has over %d bytes", "超过 %d 字节", mostText-2)
	}
	switch f.Type {
	case Text:
		limit := f.Max
		if limit == 0 {
			limit = defaultText
		}
		if utf8.RuneCountInString(s) > limit {
			return f.refuse(CodeTooLong, "has over %d characters", "超过 %d 个字符", limit)
		}
		if f.Required && Blank(s) {
			return f.refuse(CodeMissingField, "is empty", "为空")
		}
	case Enum:
		if !slices.ContainsFunc(f.Choices, func(c Choice) bool { return c.Code == s }) {
			return Refuse(CodeBadChoice, "%s is not one of the choices: %s.", f.Name, choicesSaid(f.Choices, ", ")).
				InChinese("%s 的取值不在可选范围内：%s。", f.Name, choicesSaid(f.Choices, "、"))
		}
	case Date:
		t, err := time.Parse(time.DateOnly, s)
		if err != nil || t.Year() < 1900 || t.Year() > 2100 {
			return f.refuse(CodeBadTime, "is not a date such as 2026-11-23", "不是日期（格式如 2026-11-23）")
		}
	case ID:
		if !ValidID(s) {
			return f.refuse(CodeBadID, "is not a lower-case UUID of version 7", "不是小写的第 7 版 UUID")
		}
	case Hash:
		if len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
			return f.refuse(CodeWrongType, "is not a SHA-256 in lower-case hex", "不是小写十六进制的 SHA-256")
		}
	case Org:
		if !ValidOrg(s) {
			return f.refuse(CodeBadID, "is not an organisation's short name", "不是组织的简称代码")
		}
	case Home:
		if !Scope(s).Valid() {
			return f.refuse(CodeBadID, "is not a scope", "不是范围")
		}
	case Region:
		if len(s) != 6 || strings.Trim(s, "0123456789") != "" {
			return f.refuse(CodeWrongType, "is not a GB/T 2260 code of six digits", "不是 GB/T 2260 的六位代码")
		}
	}
	return nil
}

// maxDigits is how many characters a number may have: it is kept as it was written, and no measure needs more.
const maxDigits = 64

func (f *Field) checkNumber(v Value) (Value, error) {
	if c := v[0]; c != '-' && (c < '0' || c > '9') {
		return nil, f.refuse(CodeWrongType, "is not a number", "不是数字")
	}
	n, err := strconv.ParseFloat(string(v), 64)
	if len(v) > maxDigits || err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return nil, f.refuse(CodeOutOfRange, "is not a number that can be kept", "不是可以保存的数字")
	}
	if f.Type == Integer {
		if _, err := strconv.ParseInt(string(v), 10, 64); err != nil {
			return nil, f.refuse(CodeWrongType, "is not a whole number", "不是整数")
		}
	}
	if (f.Low != 0 || f.High != 0) && (n < f.Low || n > f.High) {
		return nil, f.refuse(CodeOutOfRange, "is not between %s and %s", "不在 %s 至 %s 之间", strconv.FormatFloat(f.Low, 'f', -1, 64), strconv.FormatFloat(f.High, 'f', -1, 64))
	}
	return whole(v), nil
}

// Fix is a position as phones send it. Lat and Lon are degrees, Accuracy is the radius in metres in which the phone
// believes to be with 68 % (Android Location.getAccuracy).
type Fix struct {
	Lat      *float64 `json:"lat"`
	Lon      *float64 `json:"lon"`
	Accuracy *float64 `json:"accuracy,omitempty"`
	Source   string   `json:"source,omitempty"` // gnss, network, exif, manual
	System   string   `json:"system,omitempty"` // wgs84 (default), gcj02, bd09
	Mock     bool     `json:"mock,omitempty"`   // the phone says that the position is made up
}

func (f *Field) checkPosition(v Value) (Value, error) {
	var p Fix
	if err := exactjson.Exact(v, &p); err != nil {
		return nil, f.refuse(CodeBadPosition, "is not {lat, lon, accuracy, source, system}", "不是 {lat, lon, accuracy, source, system}")
	}
	switch {
	case p.Lat == nil || p.Lon == nil:
		return nil, f.refuse(CodeBadPosition, "needs lat and lon", "须有 lat 和 lon")
	case *p.Lat < -90 || *p.Lat > 90 || *p.Lon < -180 || *p.Lon > 180:
		return nil, f.refuse(CodeBadPosition, "is not on Earth", "不是地球上的位置")
	case *p.Lat == 0 && *p.Lon == 0:
		return nil, f.refuse(CodeBadPosition, "is 0, 0, which phones send when they know nothing", "为 0, 0，即手机未取得位置时所发的值")
	case p.Accuracy != nil && (*p.Accuracy < 0 || *p.Accuracy > 100_000):
		return nil, f.refuse(CodeBadPosition, "has an accuracy outside 0 to 100,000 m", "的精度不在 0 至 100,000 米之间")
	case p.Source != "" && !slices.Contains([]string{"gnss", "network", "exif", "manual"}, p.Source):
		return nil, f.refuse(CodeBadChoice, "has an unknown source", "的来源无法识别")
	case p.System != "" && !slices.Contains([]string{"wgs84", "gcj02", "bd09"}, p.System):
		return nil, f.refuse(CodeBadChoice, "has an unknown coordinate system", "的坐标系无法识别")
	}
	return Quote(p), nil
}

func (f *Field) checkObject(v Value) (Value, error) {
	members, err := exactjson.Members(v)
	if err != nil {
		return nil, f.refuse(CodeWrongType, "is not an object, or has a member twice", "不是对象，或有重复的成员")
	}
	checked, err := checkMembers(f.Fields, members, f.Name+".")
	if err != nil {
		return nil, err
	}
	return Quote(checked), nil // maps marshal with their keys in order
}

// CheckArgs validates the arguments of a command, or the members of an object, against their fields.
func CheckArgs(fields []Field, given map[string]Value) (map[string]Value, error) {
	return checkMembers(fields, given, "")
}

func checkMembers(fields []Field, given map[string]Value, prefix string) (map[string]Value, error) {
	out := make(map[string]Value, len(given))
	for name, v := range given {
		i := slices.IndexFunc(fields, func(m Field) bool { return m.Name == name })
		if i < 0 {
			return nil, Refuse(CodeUnknownField, "%s is not known here.", prefix+name).InChinese("服务器不识别 %s。", prefix+name)
		}
		m := fields[i]
		if m.Keyed {
			keyed, err := checkKeyed(&m, v)
			if err != nil {
				return nil, err
			}
			out[name] = keyed
			continue
		}
		c, err := m.Check(v)
		if err != nil {
			return nil, err
		}
		if c != nil {
			out[name] = c
		}
	}
	for _, m := range fields {
		if m.Required && out[m.Name] == nil {
			return nil, Refuse(CodeMissingField, "%s is missing.", prefix+m.Name).InChinese("缺少 %s。", prefix+m.Name)
		}
	}
	return out, nil
}

func checkKeyed(f *Field, v Value) (Value, error) {
	given, err := exactjson.Members(v)
	if err != nil {
		return nil, f.refuse(CodeWrongType, "is not an object, or has a key twice", "不是对象，或有重复的键")
	}
	if len(given) > maxKeyed {
		return nil, f.refuse(CodeTooLong, "has over %d entries", "超过 %d 项", maxKeyed)
	}
	out := make(map[string]Value, len(given))
	for k, v := range given {
		if !validKey(k) {
			return nil, f.refuse(CodeBadID, "has a key that is not 1 to 64 of A-Z, a-z, 0-9, '-' and '_'", "有一个键不是由 1 至 64 个 A-Z、a-z、0-9、'-' 和 '_' 组成")
		}
		c, err := f.Check(v)
		if err != nil {
			return nil, err
		}
		out[k] = c
	}
	return Quote(out), nil
}

// checkAny takes what an answer may be: a text of 5,000 characters, a number, a bool, or a list of at most 50 texts.
func (f *Field) checkAny(v Value) (Value, error) {
	text := Field{Name: f.Name, Type: Text, Max: 5000, Items: 50}
	switch {
	case v[0] == '"':
		return text.checkOne(v)
	case v[0] == 't' || v[0] == 'f':
		return (&Field{Name: f.Name, Type: Bool}).checkOne(v)
	case v[0] == '[':
		return text.checkList(v)
	case v[0] == '-' || v[0] >= '0' && v[0] <= '9':
		return (&Field{Name: f.Name, Type: Number}).checkNumber(v)
	}
	return nil, f.refuse(CodeWrongType, "is not a text, number, true, false or list of texts", "不是文本、数字、true、false 或文本列表")
}

func validKey(k string) bool {
	if len(k) == 0 || len(k) > 64 {
		return false
	}
	for i := 0; i < len(k); i++ {
		c := k[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// What the fields of a record may have in bytes, as they go over the wire, all together and each. A record is what a
// page cannot cut: at 20 kbit/s one comes through within a minute. Two values of a conflict fit into one.
const (
	MaxRecord = 128 << 10
	MaxValue  = 60 << 10
)

// Bytes bounds a value of the field as it is kept, in bytes. What is longer is CodeTooLong.
func (f *Field) Bytes() int {
	if f.Server || f.Long {
		return f.most()
	}
	return min(f.most(), MaxValue)
}

// most is what its type, its members and their number allow.
func (f *Field) most() int {
	n := f.mostOne()
	if f.List {
		items := f.Items
		if items == 0 {
			items = defaultItems
		}
		n = 2 + items*(n+1)
	}
	return n
}

const (
	escaped  = 6   // bytes of a character that is escaped; in UTF-8 one has at most 4
	mostText = 130 // of a text of a fixed form, with its marks: times, ids, hashes, codes
)

func (f *Field) mostOne() int {
	switch f.Type {
	case Text:
		limit := f.Max
		if limit == 0 {
			limit = defaultText
		}
		return 2 + escaped*limit
	case Number, Integer:
		return maxDigits
	case Any:
		return MaxValue
	case JSON:
		if f.Max > 0 {
			return f.Max
		}
		return defaultJSON
	case Position:
		return 2 * mostText
	case Object:
		n := 2
		for i := range f.Fields {
			m := &f.Fields[i]
			one := m.Bytes()
			if m.Keyed {
				one = maxKeyed * (one + 70)
			}
			n += len(m.Name) + 4 + one
		}
		return n
	}
	return mostText
}

// Fits refuses a record that has grown over what the fields of one may have together: CodeTooLong.
func (s *Spec) Fits(before, now *Record) error {
	if n := now.size(); n > MaxRecord && !s.Long && (before == nil || n > before.size()) {
		return Refuse(CodeTooLong, "The record would have %d bytes; one may have %d. Write less, or make two of it.", n, MaxRecord).
			InChinese("该记录将达 %d 字节，上限为 %d 字节，请精简内容，或分为两条记录。", n, MaxRecord)
	}
	return nil
}

func (r *Record) size() int {
	n := 0
	for path, v := range r.Fields {
		n += len(path) + len(v) + 4
	}
	return n
}

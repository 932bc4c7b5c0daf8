package field

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"fieldclue/sync/exactjson"
)

// Where a number of a person can stand: in the values of a record and in what is said to it.

// eachText calls fn for every text of a JSON value, names of members included, and for every whole number, as long as
// fn returns true. What is no JSON is read as far as it goes: it may say a number all the same.
func eachText(v []byte, fn func(from, to int, text string, isNumber bool) bool) {
	exactjson.Leaves(v, func(from, to int) bool {
		raw := v[from:to]
		if raw[0] != '"' {
			text, ok := wholeNumber(string(raw))
			return !ok || fn(from, to, text, true)
		}
		s, ok := exactjson.Text(raw)
		if !ok { // not well formed
			s = string(raw)
		}
		return fn(from, to, s, false)
	})
}

// wholeNumber is the value of a JSON number in plain digits, if it is a whole one of a length that matters: 1.3812e4 is
// 13812.
func wholeNumber(s string) (string, bool) {
	if !strings.ContainsAny(s, ".eE") {
		return s, true
	}
	mantissa, power, _ := strings.Cut(strings.ToLower(s), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	shift := 0
	if power != "" {
		var err error
		if shift, err = strconv.Atoi(power); err != nil || shift < -2*maxNumber || shift > 2*maxNumber {
			return "", false
		}
	}
	point := len(whole) + shift
	digits := whole + fraction + strings.Repeat("0", max(0, shift-len(fraction)))
	if point < 0 || strings.Trim(digits[min(point, len(digits)):], "0") != "" {
		return "", false
	}
	return strings.TrimLeft(digits[:min(point, len(digits))], "-0"), true
}

// IdentityIn reports whether a JSON value says a number of a person: in a text, in the name of a member, or as a
// number.
func IdentityIn(v Value) bool { return identityInValue(v, true) }

func identityInValue(v Value, numbers bool) (found bool) {
	if !mayIdentify([]byte(v)) {
		return false
	}
	eachText(v, func(_, _ int, text string, isNumber bool) bool {
		found = (numbers || !isNumber) && HasIdentity(text)
		return !found
	})
	return found
}

// MaskedValue is a JSON value with such numbers masked, and otherwise as it is.
func MaskedValue(v Value) Value {
	if !IdentityIn(v) {
		return v
	}
	var out []byte
	last := 0
	eachText(v, func(from, to int, text string, isNumber bool) bool {
		if m := MaskIdentity(text); m != text {
			out = exactjson.AppendText(append(out, v[last:from]...), m)
			last = to
		}
		return true
	})
	return append(out, v[last:]...)
}

// identityIn reports whether what is to be set in a field says a number of a person. A field of numbers may hold any
// number.
func (f *Field) identityIn(v Value) bool {
	if !mayIdentify([]byte(v)) {
		return false
	}
	if f.Keyed { // given whole, with a value for each key, or as the value of one
		one := *f
		one.Keyed = false
		var members map[string]Value
		if json.Unmarshal(v, &members) == nil {
			for key, m := range members {
				if HasIdentity(key) || one.identityIn(m) {
					return true
				}
			}
		}
		return one.identityIn(v)
	}
	switch {
	case f.Type == Object:
		var list []Value
		if json.Unmarshal(v, &list) == nil {
			return slices.ContainsFunc(list, f.identityIn)
		}
		var members map[string]Value
		if json.Unmarshal(v, &members) != nil {
			return IdentityIn(v)
		}
		for name, m := range members {
			i := slices.IndexFunc(f.Fields, func(x Field) bool { return x.Name == name })
			if HasIdentity(name) || i < 0 && IdentityIn(m) || i >= 0 && f.Fields[i].identityIn(m) {
				return true
			}
		}
		return false
	case f.Type == Number || f.Type == Integer:
		return identityInValue(v, false)
	}
	return IdentityIn(v) || HasIdentity(strings.Join((&Record{Fields: map[string]Value{"": v}}).Texts(""), "\n"))
}

// Identity finds, among what is to be set in records of the kind or given to one of its commands, the first name of
// something that says a number of a person; empty: nothing does. It takes values as they came, checked or not, any
// command, and a nil kind. What the kind does not know is looked at all the same.
func (s *Spec) Identity(set map[string]Value, command string, args map[string]Value) string {
	found := ""
	look := func(name string, f *Field, v Value) {
		if (found == "" || name < found) && (HasIdentity(name) || f == nil && IdentityIn(v) || f != nil && f.identityIn(v)) {
			found = name
		}
	}
	for path, v := range set {
		look(path, s.Named(path), v)
	}
	if found != "" || len(args) == 0 {
		return found
	}
	var known []Field
	if s != nil && s.Command(command) != nil {
		known = s.Command(command).Args
	}
	for name, v := range args {
		var f *Field
		if i := slices.IndexFunc(known, func(x Field) bool { return x.Name == name }); i >= 0 {
			f = &known[i]
		}
		look(name, f, v)
	}
	return found
}

// Named is the field of a path, or of a keyed field's own name; nil when there is none, or no kind.
func (s *Spec) Named(path string) *Field {
	if s == nil {
		return nil
	}
	if f, _ := s.Field(path); f != nil {
		return f
	}
	return s.field[path]
}

// Spoken refuses a number of a person in anything that somebody sets or gives as an argument: every kind, every text.
// The name of the field is told, the number never.
func (s *Spec) Spoken(set map[string]Value, command string, args map[string]Value) error {
	if name := s.Identity(set, command, args); name != "" {
		return Refuse(CodeIdentityInText, "%s holds an ID, phone or bank card number. Identities belong in the vault, not in a text.", clip(MaskIdentity(name))).
			InChinese("%s 中含有身份证号、电话号码或银行卡号；身份信息应存入保密库，不得写入任何文本。", clip(MaskIdentity(name)))
	}
	return nil
}

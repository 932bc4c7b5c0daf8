// Package merge decides, field by field, what becomes of values that a device has set on a record which may have
// changed since the device last saw it. It is pure: a record, some values and a base version go in, a verdict comes
// out.
//
// Fields is the whole of it. What belongs together (a position, an answer) is one path and one value, declared in
// server/field. Long texts are one value as well: they never merge by line, both stay.
package merge

import (
	"bytes"
	"sort"
	"strings"

	"fieldclue/server/field"
)

// ServerDevice is the prefix of the devices under which the server itself writes. What it derives (a severity, a
// rendition) never stands against what a person does.
const ServerDevice = "server/"

// Clash is one path that two devices have set to different values.
type Clash struct {
	Path    string
	Current field.Value // nil: removed
	By      field.Stamp // who set it
	Offered field.Value // nil: to be removed
}

// Verdict says which of the offered values go into the record.
type Verdict struct {
	Apply   map[string]field.Value // by path; nil: remove. Values that are there already are left out
	Clashes []Clash                // by path; the current value stays
	Beside  bool                   // another device has changed something else since the base
}

// Writer is the device that writes. What it wrote itself is known to it, unless it is a copy of the device that wrote,
// or was put back to an older state: the entries in Others may be those of another copy.
type Writer struct {
	Device field.DeviceID
	Others map[int64]bool
}

// knows reports whether a write is the writer's own.
func (w Writer) knows(by field.Stamp) bool { return by.Device == w.Device && !w.Others[by.Seq] }

// Fields merges values into a record. base is the version that the device had seen. A device's own earlier write is
// never a conflict, and neither is the same value twice.
func Fields(r *field.Record, offered map[string]field.Value, base int64, by Writer) Verdict {
	v := Verdict{Apply: make(map[string]field.Value, len(offered))}
	for path, value := range offered {
		current, there := r.Fields[path]
		stamp, changed := r.Stamps[path]
		switch {
		case value == nil && !there, value != nil && bytes.Equal(value, current):
		case changed && stamp.Seq > base && !by.knows(stamp):
			v.Clashes = append(v.Clashes, Clash{Path: path, Current: current, By: stamp, Offered: value})
		default:
			v.Apply[path] = value
		}
	}
	sort.Slice(v.Clashes, func(i, j int) bool { return v.Clashes[i].Path < v.Clashes[j].Path })
	v.Beside = ChangedSince(r, base, by)
	return v
}

// ChangedSince reports whether another device has changed the record after the base version.
func ChangedSince(r *field.Record, base int64, by Writer) bool {
	for _, s := range r.Stamps {
		if s.Seq > base && !by.knows(s) && !strings.HasPrefix(string(s.Device), ServerDevice) {
			return true
		}
	}
	return false
}

package merge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fieldclue/server/field"
)

// A report at version 9, as three have left it: ann's phone wrote the summary at 5, ben's the position at 7 and an
// answer at 9, the server a severity at 8.
func report() *field.Record {
	return &field.Record{
		Version: 9,
		Fields: map[string]field.Value{
			"summary": field.Value(`"屋顶漏雨"`), "position": field.Value(`{"lat":27.3,"lon":105.3}`),
			"answers.roof": field.Value(`{"value":"漏雨"}`), "severity": field.Value(`2`),
		},
		Stamps: map[string]field.Stamp{
			"summary": {Seq: 5, Device: "ann"}, "position": {Seq: 7, Device: "ben"}, "answers.roof": {Seq: 9, Device: "ben"},
			"answers.wall": {Seq: 9, Device: "ben"}, "severity": {Seq: 8, Device: "server/examine"},
		},
	}
}

// The cases that two people have to agree on are the golden files of sync/engine/testdata/conflicts. These are their
// edges.
func TestFields(t *testing.T) {
	for _, c := range []struct {
		name    string
		offered map[string]field.Value
		base    int64
		device  field.DeviceID
		want    string
	}{
		{"nothing has changed since", map[string]field.Value{"summary": field.Value(`"新"`)}, 9, "ann", `apply summary`},
		{"both removed it", map[string]field.Value{"answers.wall": nil}, 5, "ann", `beside others`},
		{"the server's own writes stand against nobody", map[string]field.Value{"summary": field.Value(`"新"`)}, 7, "ben", `apply summary`},
		{"the server wrote the same field", map[string]field.Value{"severity": field.Value(`0`)}, 7, "ben", `clash severity`},
		{"the base is from the time to come", map[string]field.Value{"position": field.Value(`{}`)}, 99, "ann", `apply position`},
		{"one of three clashes", map[string]field.Value{"summary": field.Value(`"新"`), "position": field.Value(`{}`), "answers.floor": field.Value(`1`)}, 5, "ann", `apply answers.floor, apply summary, clash position, beside others`},
	} {
		r := report()
		v := Fields(r, c.offered, c.base, Writer{Device: c.device})
		var got []string
		for path := range v.Apply {
			got = append(got, "apply "+path)
		}
		slices.Sort(got)
		for _, clash := range v.Clashes {
			got = append(got, "clash "+clash.Path)
			if string(clash.Current) != string(r.Fields[clash.Path]) || string(clash.Offered) != string(c.offered[clash.Path]) || clash.By != r.Stamps[clash.Path] {
				t.Errorf("%s: both values and who set the first: %+v", c.name, clash)
			}
		}
		if v.Beside {
			got = append(got, "beside others")
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
		if fmt.Sprint(report()) != fmt.Sprint(r) {
			t.Errorf("%s: the record was changed", c.name)
		}
	}
}

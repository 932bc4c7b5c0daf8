package main

import (
	"strings"
	"testing"
)

const passed = `{"Action":"run","Package":"fieldclue/a","Test":"TestOne"}
{"Action":"output","Package":"fieldclue/a","Test":"TestOne","Output":"engine: ferretdb 1.24.0 (x)\n"}
{"Action":"pass","Package":"fieldclue/a","Test":"TestOne","Elapsed":0.1}
{"Action":"run","Package":"fieldclue/a","Test":"TestMany"}
{"Action":"run","Package":"fieldclue/a","Test":"TestMany/row"}
{"Action":"pass","Package":"fieldclue/a","Test":"TestMany/row","Elapsed":0.1}
{"Action":"pass","Package":"fieldclue/a","Test":"TestMany","Elapsed":0.1}
{"Action":"skip","Package":"fieldclue/none"}
`

func skipped(reason string) string {
	return `{"Action":"run","Package":"fieldclue/a","Test":"TestSkipped"}
{"Action":"output","Package":"fieldclue/a","Test":"TestSkipped","Output":"=== RUN   TestSkipped\n"}
{"Action":"output","Package":"fieldclue/a","Test":"TestSkipped","Output":"    a_test.go:7: ` + reason + `\n"}
{"Action":"skip","Package":"fieldclue/a","Test":"TestSkipped"}
`
}

func TestReport(t *testing.T) {
	rows := []struct {
		name, in   string
		strict, ok bool
		want       string
	}{
		{"all passed", passed, true, true, "2 passed, 0 failed, 0 skipped, 0 need mongod"},
		{"engine", passed, true, true, "engine: ferretdb 1.24.0 (x)\n"},
		{"needs mongod", passed + skipped("needs mongod: two writers"), true, true, "0 skipped, 1 need mongod"},
		{"skipped", passed + skipped("no engine"), true, false, "skipped: no engine\n    a TestSkipped"},
		{"case skipped", passed + strings.ReplaceAll(skipped("does not apply"), "TestSkipped\"", "TestMany/x\""), true, true, "1 skipped"},
		{"second process", passed + skipped("runs only as a child of TestKill"), true, true, "2 passed, 0 failed, 0 skipped"},
		{"skipped, not strict", passed + skipped("no engine"), false, true, "1 skipped"},
		{"nothing ran", `{"Action":"skip","Package":"fieldclue/none"}`, false, false, "no test ran"},
		{
			"failed", passed + `{"Action":"output","Package":"fieldclue/a","Test":"TestBad","Output":"a_test.go:9: broken\n"}
{"Action":"fail","Package":"fieldclue/a","Test":"TestBad"}`, false, false, "broken",
		},
		{
			"did not compile", passed + `{"Action":"build-output","ImportPath":"fieldclue/a","Output":"undefined: x\n"}
{"Action":"fail","Package":"fieldclue/a","FailedBuild":"fieldclue/a"}`, false, false, "undefined: x",
		},
		{"package failed outside its tests", passed + `{"Action":"fail","Package":"fieldclue/a"}`, false, false, "FAIL"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r, err := read(strings.NewReader(row.in))
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if ok := r.write(&out, row.strict); ok != row.ok || !strings.Contains(out.String(), row.want) {
				t.Errorf("ok %v, want %v; want %q in\n%s", ok, row.ok, row.want, out.String())
			}
		})
	}
}

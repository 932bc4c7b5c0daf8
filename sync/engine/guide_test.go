package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

var example = regexp.MustCompile("(?s)\\*request\\* (push|pull)\n```json\n(.*?)```\n\\*answer\\*\n```json\n(.*?)```")

// The examples of docs/sync.md are sent as they stand there, and must be answered as it says.
func TestTheGuideIsTrue(t *testing.T) {
	guide, err := os.ReadFile("../../docs/sync.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := example.FindAllSubmatch(guide, -1)
	if len(examples) != bytes.Count(guide, []byte("*request*"))-1 || len(examples) < 5 { // once it is explained
		t.Fatalf("%d examples were found", len(examples))
	}
	onBothStores(t, func(t *testing.T, c *county) {
		site := field.RecordID("01930000-0000-7000-8000-000000000051")
		c.server("org/gz-liwan", protocol.Operation{ID: site, Kind: field.KindSite, Set: fields(m{"name": "示例", "projectId": c.project, "region": "520502"})})
		c.chen.Device, c.chen.Scopes = "01930000-0000-7000-8000-0000000000d1", []field.Scope{field.MakeScope(field.ScopeSite, string(site))}
		for i, e := range examples {
			strict := json.NewDecoder(bytes.NewReader(e[2]))
			strict.DisallowUnknownFields()
			var got any
			if string(e[1]) == "push" {
				var req protocol.PushRequest
				c.must(strict.Decode(&req))
				got, err = c.Push(c.ctx, c.chen, req)
			} else {
				var req protocol.PullRequest
				c.must(strict.Decode(&req))
				got, err = c.Pull(c.ctx, c.chen, req)
			}
			c.must(err)
			var want, have any
			c.must(json.Unmarshal(e[3], &want))
			c.must(json.Unmarshal(field.Quote(got), &have))
			if why := lacks(want, have, "answer"); why != "" {
				t.Errorf("example %d: %s\n%s", i+1, why, field.Quote(got))
			}
		}
		c.sound()
	})
}

// lacks says in what have is not want; members that want does not name are left out of account.
func lacks(want, have any, at string) string {
	switch w := want.(type) {
	case string:
		if s, ok := have.(string); !ok || w != "…" && w != s || s == "" {
			return fmt.Sprintf("%s is %v, not %s", at, have, w)
		}
	case map[string]any:
		h, _ := have.(map[string]any)
		names := make([]string, 0, len(w))
		for name := range w {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if why := lacks(w[name], h[name], at+"."+name); why != "" {
				return why
			}
		}
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return fmt.Sprintf("%s has %d elements, not %d", at, len(h), len(w))
		}
		for i := range w {
			if why := lacks(w[i], h[i], fmt.Sprintf("%s[%d]", at, i)); why != "" {
				return why
			}
		}
	default:
		if have != want {
			return fmt.Sprintf("%s is %v, not %v", at, have, want)
		}
	}
	return ""
}

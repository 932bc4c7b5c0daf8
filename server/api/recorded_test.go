package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/accounts"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// Recorded batches of each released protocol version, as apps of each release sent them, with what they were answered:
// testdata/recorded. docs/compatibility.md is the table of them.

const recordings = "testdata/recorded"

var (
	exchange = regexp.MustCompile("(?s)\\*request\\* (push|pull)( of ben)?\n```json\n(.*?)```\n\\*answer\\*\n```json\n(.*?)```")
	variable = regexp.MustCompile(`\{([a-z]+)\}`)
)

// recordedID is an id of the recordings.
func recordedID(last string) string { return "01930000-0000-7000-8000-0000000000" + last }

// recordedWorld is what the apps of the recordings met: a site, two inspectors, and two versions of a checklist, of
// which the older one has been retired.
func recordedWorld(w *world) (ann, ben *user) {
	admin := w.setUp()
	enlist := func(login, person, device string) *user {
		var made struct{ DeviceCode accounts.Code }
		admin.do("POST", "/v1/people", obj{"id": recordedID(person), "login": login, "password": password, "name": login, "roles": []access.Grant{{Role: access.Inspector}}}).want(201).into(&made)
		u := &user{world: w}
		w.try(login, password, recordedID(device), made.DeviceCode.Code).want(200).into(&u.Tokens)
		return u
	}
	ann, ben = enlist("ann", "a1", "d1"), enlist("ben", "a2", "d2")
	make := func(last string, kind field.Kind, set obj) protocol.Operation {
		values := map[string]field.Value{}
		for name, v := range set {
			values[name] = field.Quote(v)
		}
		return protocol.Operation{ID: field.RecordID(recordedID(last)), Kind: kind, Set: values}
	}
	step := func(last string, kind field.Kind, command string) protocol.Operation {
		return protocol.Operation{ID: field.RecordID(recordedID(last)), Kind: kind, Command: command}
	}
	roof := obj{"id": "roof", "zh": "屋顶是否完好", "type": "text", "required": true}
	paid := obj{"id": "paid", "zh": "是否已付款", "type": "yes_no", "required": true}
	w.by("org/gz-liwan",
		make("70", field.KindProject, obj{"externalId": "P-1", "name": "茶园", "type": "industry", "county": "520502"}),
		make("51", field.KindSite, obj{"name": "茶园一号", "projectId": recordedID("70"), "region": "520502", "orgs": []string{"gz-liwan"}}),
		make("e1", field.KindTemplate, obj{"title": "清单", "version": 1, "items": []obj{roof}}),
		make("e2", field.KindTemplate, obj{"title": "清单", "version": 2, "items": []obj{roof, paid}}),
		step("e1", field.KindTemplate, "publish"), step("e1", field.KindTemplate, "retire"), step("e2", field.KindTemplate, "publish"),
	)
	for i, u := range []*user{ann, ben} {
		w.by("user/"+string(u.User.ID), make(fmt.Sprintf("c%d", i+1), field.KindGrant, obj{"scope": "site/" + recordedID("51")}))
	}
	return ann, ben
}

// replay sends what a file has recorded, and holds the answers against it. "{name}" in an answer is a text that later
// requests give back.
func replay(w *world, file string) {
	w.t.Helper()
	ann, ben := recordedWorld(w)
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	found := exchange.FindAllSubmatch(text, -1)
	if len(found) == 0 || len(found) != strings.Count(string(text), "*request*") {
		w.t.Fatalf("%s: %d exchanges of %d are in the right form", file, len(found), strings.Count(string(text), "*request*"))
	}
	known := map[string]string{}
	for i, e := range found {
		who := ann
		if len(e[2]) > 0 {
			who = ben
		}
		body := variable.ReplaceAllFunc(e[3], func(name []byte) []byte { return []byte(known[string(name[1:len(name)-1])]) })
		a := who.do("POST", "/v1/sync/"+string(e[1]), body).want(200)
		var want, have any
		a.into(&have)
		if err := json.Unmarshal(e[4], &want); err != nil {
			w.t.Fatalf("%s, answer %d: %v", file, i+1, err)
		}
		if why := differs(want, have, "answer", known); why != "" {
			w.t.Errorf("%s, exchange %d: %s\n%s", file, i+1, why, a.body)
		}
	}
}

// differs says in what have is not want. "…" stands for anything, as a member's name for members that are not named.
func differs(want, have any, at string, known map[string]string) string {
	switch want := want.(type) {
	case string:
		if want == "…" {
			return ""
		}
		if name := variable.FindStringSubmatch(want); name != nil && name[0] == want {
			text, ok := have.(string)
			known[name[1]] = text
			if !ok || text == "" {
				return fmt.Sprintf("%s is %v, not a text", at, have)
			}
			return ""
		}
	case map[string]any:
		have, ok := have.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is no object", at)
		}
		for name := range have {
			if _, named := want[name]; !named && want["…"] == nil {
				return fmt.Sprintf("%s.%s is not in the recording", at, name)
			}
		}
		for name, v := range want {
			h, there := have[name]
			if !there && name != "…" {
				return fmt.Sprintf("%s.%s is missing", at, name)
			}
			if why := differs(v, h, at+"."+name, known); why != "" {
				return why
			}
		}
		return ""
	case []any:
		have, ok := have.([]any)
		if !ok || len(have) != len(want) {
			return fmt.Sprintf("%s has %d elements, not %d", at, len(have), len(want))
		}
		for i := range want {
			if why := differs(want[i], have[i], fmt.Sprintf("%s[%d]", at, i), known); why != "" {
				return why
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, have) {
		return fmt.Sprintf("%s is %v, not %v", at, have, want)
	}
	return ""
}

func TestRecordedBatchesOfEveryRelease(t *testing.T) {
	files, err := filepath.Glob(recordings + "/protocol-*/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".md"), func(t *testing.T) {
			onBothStores(t, func(_ *testing.T, w *world) { replay(w, file) })
		})
	}
}

// table reads the rows of the table in docs/compatibility.md that begins with a heading.
func table(t *testing.T, first string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n| "+first+" |")
	if !ok {
		t.Fatalf("docs/compatibility.md has no table that begins with %s", first)
	}
	rest, _, _ = strings.Cut(rest, "\n\n")
	for _, line := range strings.Split(rest, "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		for i := range cells {
			cells[i] = strings.Trim(cells[i], " `")
		}
		rows = append(rows, cells)
	}
	return rows
}

// The table names the versions that are recorded, and no others; the newest is the server's own.
func TestTheTableNamesWhatIsRecorded(t *testing.T) {
	var named, recorded []string
	newest := ""
	for _, row := range table(t, "protocol") {
		newest = row[0]
		for _, app := range strings.Split(row[1], ", ") {
			named = append(named, "protocol-"+row[0]+"/app-"+app+".md")
		}
	}
	if newest != strconv.Itoa(protocol.Version) {
		t.Errorf("the last row is protocol %s; the server speaks %d", newest, protocol.Version)
	}
	named = append(named, "protocol-"+newest+"/app-next.md")
	files, err := filepath.Glob(recordings + "/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		recorded = append(recorded, strings.TrimPrefix(filepath.ToSlash(f), recordings+"/"))
	}
	slices.Sort(named)
	slices.Sort(recorded)
	if !slices.Equal(named, recorded) {
		t.Errorf("the table names\n%v\nrecorded are\n%v", named, recorded)
	}
}

// shapes are the objects that a phone sends.
var shapes = map[string]reflect.Type{
	"push": reflect.TypeFor[protocol.PushRequest](), "operation": reflect.TypeFor[protocol.Operation](), "cursor": reflect.TypeFor[protocol.Cursor](),
	"pull": reflect.TypeFor[protocol.PullRequest](), "acknowledged": reflect.TypeFor[protocol.Acknowledged](),
	"receipted": reflect.TypeFor[protocol.Receipted](),
}

// The table of members names every member that a phone may send, with the app that began to send it; the recordings of
// an app use none that came later, and what an app began to send stands in its recordings.
func TestTheTableNamesEveryMember(t *testing.T) {
	since := map[string]string{} // by "push seen"
	for _, row := range table(t, "object") {
		since[row[0]+" "+row[1]] = row[2]
	}
	var apps []string // the oldest first
	for _, row := range table(t, "protocol") {
		apps = append(apps, strings.Split(row[1], ", ")...)
	}
	var taken []string
	for name, shape := range shapes {
		for i := range shape.NumField() {
			if member, _, _ := strings.Cut(shape.Field(i).Tag.Get("json"), ","); member != "-" {
				taken = append(taken, name+" "+member)
			}
		}
	}
	if named := slices.Sorted(maps.Keys(since)); !slices.Equal(named, slices.Sorted(slices.Values(taken))) {
		t.Errorf("the table names\n%v\nthe server takes\n%v", named, taken)
	}
	files, err := filepath.Glob(recordings + "/protocol-*/app-[0-9]*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		app := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "app-"), ".md")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		used := map[string]bool{}
		for _, e := range exchange.FindAllSubmatch(text, -1) {
			var sent map[string]any
			if err := json.Unmarshal(e[3], &sent); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if said, ok := sent["app"]; ok && !strings.HasPrefix(fmt.Sprint(said), app+".") {
				t.Errorf("%s holds a batch of app %v", file, said)
			}
			collect(used, string(e[1]), sent)
		}
		for member := range used {
			if from := since[member]; !slices.Contains(apps[:slices.Index(apps, app)+1], from) {
				t.Errorf("%s: app %s sends %s, which the table gives to app %q", file, app, member, from)
			}
		}
		for member, from := range since {
			if from == app && !used[member] {
				t.Errorf("%s lacks %s, which app %s began to send", file, member, app)
			}
		}
	}
}

// collect notes which members a request uses.
func collect(used map[string]bool, shape string, sent any) {
	members, _ := sent.(map[string]any)
	for name, v := range members {
		used[shape+" "+name] = true
		switch shape + " " + name {
		case "push seen":
			collect(used, "cursor", v)
		case "push operations":
			for _, op := range v.([]any) {
				collect(used, "operation", op)
			}
		case "pull cursors":
			for _, cursor := range v.(map[string]any) {
				collect(used, "cursor", cursor)
			}
		case "pull receipted":
			for _, one := range v.([]any) {
				collect(used, "receipted", one)
			}
		case "pull acknowledged":
			for _, list := range v.(map[string]any) {
				for _, one := range list.([]any) {
					collect(used, "acknowledged", one)
				}
			}
		}
	}
}

package api_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/tables"
	"fieldclue/server/workflow"
)

type recordView struct {
	Record struct {
		ID    string      `json:"id"`
		State field.State `json:"state"`
	} `json:"record"`
	May []string `json:"may"`
}

// What a page says that somebody may do, the commit says too: an act that is not offered is refused for who, whose or
// when, and one that is offered never is. Everybody of the office tries everything on records of seven kinds.
func TestWhatAPageOffersIsWhatTheCommitAllows(t *testing.T) {
	o := newOffice(t)
	sites := o.ledger()
	last := o.visits(sites[0], 365*24*time.Hour, strings.Repeat("b", 64))
	v := o.visits(sites[0], 3*time.Hour, strings.Repeat("a", 64))
	o.pair(last, v)
	o.alike(sites[0], last, v)
	o.review(v)
	clue := o.clue(last)
	today := o.clock.now()
	campaign := o.make(o.cai, "campaigns", obj{
		"title": "回头看", "from": today.Format(time.DateOnly), "to": today.AddDate(0, 1, 0).Format(time.DateOnly), "templateId": o.template,
		"strata": []obj{{"stratum": "unsampled", "size": 1}},
	})
	var draft recordView
	if o.ok(o.cai, "GET", "/v1/records/"+campaign+"/page", nil, &draft); !slices.Contains(draft.May, "draw") {
		t.Errorf("the draw of a sample, which the server puts together, is not offered: %v", draft.May)
	}
	kinds := map[string]field.Kind{
		campaign: field.KindCampaign, o.project: field.KindProject, sites[0]: field.KindSite, v.report: field.KindReport, v.finding: field.KindFinding, v.photo: field.KindPhoto, clue: field.KindClue,
	}
	refused := []field.Code{field.CodeNotPermitted, field.CodeNotFound, field.CodeNotYours, field.CodeUnknownRecord, field.CodeNotEditable, field.CodePartFrozen, field.CodeVoided}
	offered, tried := 0, 0
	for _, u := range []*user{o.admin, o.ann, o.ben, o.gus, o.cai, o.dai, o.han, o.eva} {
		for id, kind := range kinds {
			a := u.do("GET", "/v1/records/"+id+"/page", nil)
			if a.status != 200 {
				a.refused(404, field.CodeNotFound)
				u.do("GET", "/v1/records/"+id, nil).refused(404, field.CodeNotFound)
				continue
			}
			var page recordView
			a.into(&page)
			spec := field.KindOf(kind)
			for i := range spec.Desk.Acts {
				act := &spec.Desk.Acts[i]
				method, path, body := "POST", "/v1/"+spec.Desk.Path+"/"+id+"/"+act.Verb, obj{"version": 1_000_000}
				switch {
				case act.Verb == field.VerbEdit:
					method, path, body["fields"] = "PATCH", "/v1/"+spec.Desk.Path+"/"+id, obj{"nothing": 1}
				case act.Command == nil || act.Body != "":
					continue
				}
				before := o.version(id)
				code := u.do(method, path, body).code()
				if o.version(id) != before {
					t.Fatalf("%s of %s did something", act.Verb, kind)
				}
				tried++
				may := slices.Contains(page.May, act.Verb)
				if may {
					offered++
				}
				// Arguments are looked at before the state: so what only the state forbids is told by it alone.
				now := act.Command == nil && spec.EditableIn(page.Record.State) || act.Command != nil && act.Command.Allows(page.Record.State)
				switch no := slices.Contains(refused, code) || code == field.CodeNotNow; {
				case may && no:
					t.Errorf("%s is offered %s of a %s that is %s, and is refused: %s", u.User.Name, act.Verb, kind, page.Record.State, code)
				case !may && !no && now && act.Verb != field.VerbEdit:
					t.Errorf("%s is not offered %s of a %s that is %s, and the commit says %s", u.User.Name, act.Verb, kind, page.Record.State, code)
				case may && !now:
					t.Errorf("%s is offered %s of a %s that is %s", u.User.Name, act.Verb, kind, page.Record.State)
				}
			}
		}
	}
	if offered < 10 || tried < 100 {
		t.Errorf("%d acts were offered of %d", offered, tried)
	}
	o.no(o.ann, 404, field.CodeNotFound, "GET", "/v1/records/"+clue+"/page", nil)

	names := func(u *user, ids ...string) map[string]workflow.NamedRecord {
		var got struct {
			Names map[string]workflow.NamedRecord `json:"names"`
		}
		o.ok(u, "GET", "/v1/names?ids="+strings.Join(ids, ","), nil, &got)
		return got.Names
	}
	if got := names(o.dai, clue, sites[0], o.id()); len(got) != 2 || got[clue].Kind != field.KindClue || got[clue].Name == "" {
		t.Errorf("the clue manager is told %v", got)
	}
	if got := names(o.ann, clue); len(got) > 0 {
		t.Errorf("who may not see the clue is told %v", got)
	}
	o.no(o.ann, 400, field.CodeBadID, "GET", "/v1/names?ids=x", nil)
	o.no(o.ann, 400, field.CodeTooLong, "GET", "/v1/names?ids="+strings.Repeat("x,", workflow.MostNames), nil)

	var kindList struct {
		Items []struct {
			Kind field.Kind `json:"kind"`
			Path string     `json:"path"`
			Acts []struct {
				Verb string `json:"verb"`
				ZH   string `json:"zh"`
				EN   string `json:"en"`
				Mine bool   `json:"mine"`
			} `json:"acts"`
		} `json:"items"`
	}
	o.ok(o.ann, "GET", "/v1/kinds", nil, &kindList)
	for _, k := range kindList.Items {
		for _, a := range k.Acts {
			if a.ZH == "" || a.EN == "" {
				t.Errorf("%s of %s has no label", a.Verb, k.Kind)
			}
			if k.Kind == field.KindClue && a.Verb == field.VerbCreate && a.Mine {
				t.Error("an inspector is told that he may make clues")
			}
		}
	}
}

// A table is read for everybody who is signed in, and nothing of it is kept.
func TestATableIsRead(t *testing.T) {
	w := start(t)
	admin := w.setUp()
	before := w.heads()
	send := func(kind, body string) answer {
		return admin.do("POST", "/v1/tables", []byte(body), "Content-Type", kind)
	}
	var got struct {
		Sheets []tables.Sheet `json:"sheets"`
	}
	if send("text/csv", "name,login\n陈,chen\n").want(200).into(&got); len(got.Sheets) != 1 || len(got.Sheets[0].Rows) != 2 || got.Sheets[0].Rows[1][0] != "陈" {
		t.Errorf("%v", got)
	}
	send("text/csv", "\xff\xd8\xff\x00").refused(415, field.CodeUnsupportedType)
	send("text/csv", strings.Repeat("x\n", 5001)).refused(400, field.CodeTooLong)
	send("text/csv", strings.Repeat("x", tables.MostBytes+1)).refused(413, field.CodeBodyTooLarge)
	w.send("POST", "/v1/tables", obj{"a": 1}).refused(401, field.CodeTokenMissing)
	if !maps.Equal(before, w.heads()) {
		t.Error("something was written")
	}
}

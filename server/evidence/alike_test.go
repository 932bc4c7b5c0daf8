package evidence

import (
	"fmt"
	"testing"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/alike"
	"fieldclue/server/checks"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// county is a store with sites, and two servers that examine photos.
type county struct {
	t       *testing.T
	store   storage.Store
	servers [2]*Examiner
	number  int64
}

func (c *county) commit(scope field.Scope, ops ...protocol.Operation) {
	c.t.Helper()
	c.number++
	_, err := c.servers[0].ledger.engine.Commit(c.t.Context(), protocol.Batch{
		Actor: engine.Server, Device: "server/test", Number: c.number, Scope: scope, Strict: true, Trusted: true, Operations: ops,
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *county) newID() field.RecordID { return c.servers[0].ledger.engine.NewID() }

// site makes a site in which organisations take part.
func (c *county) site(orgs ...field.OrgID) field.RecordID {
	id := c.newID()
	c.commit(field.MakeScope(field.ScopeOrg, string(orgs[0])), protocol.Operation{ID: id, Kind: field.KindSite, Set: map[string]field.Value{
		"name": field.Quote("点"), "projectId": field.Quote(c.newID()), "region": field.Quote("520502"), "orgs": field.Quote(orgs),
	}})
	return id
}

// photo makes one that a server has analysed, with bytes of its own.
func (c *county) photo(site field.RecordID, point, hash string) *field.Record {
	c.t.Helper()
	id, scope := c.newID(), field.MakeScope(field.ScopeSite, string(site))
	sum := fmt.Sprintf("%064x", c.number+1)
	c.commit(scope, protocol.Operation{ID: id, Kind: field.KindPhoto, Set: map[string]field.Value{
		"reportId": field.Quote(c.newID()), "siteId": field.Quote(site), "sha256": field.Quote(sum), "size": field.Quote(9), "type": field.Quote("image/jpeg"), "photoPoint": field.Quote(point),
	}})
	for _, step := range []struct {
		name string
		args map[string]field.Value
	}{
		{"store", map[string]field.Value{"receipt": field.Quote(map[string]string{"sha256": sum})}},
		{"analyse", map[string]field.Value{"facts": field.Quote(map[string]string{}), "perceptual": field.Quote(hash)}},
	} {
		c.commit(scope, protocol.Operation{ID: id, Kind: field.KindPhoto, Base: c.read(id).Version, Command: step.name, Args: step.args})
	}
	return c.read(id)
}

func (c *county) read(id field.RecordID) *field.Record {
	c.t.Helper()
	rs, err := c.store.Records(c.t.Context(), []field.RecordID{id})
	if err != nil || len(rs) != 1 {
		c.t.Fatalf("%s: %v, %v", id, rs, err)
	}
	return rs[0]
}

// examine lets a server do the job of a photo, twice, as after a crash; it returns the severity and the others named.
func (c *county) examine(server int, photo *field.Record) (severity string, others []string) {
	c.t.Helper()
	for range 2 {
		if err := c.servers[server].by(c.servers[server].quick)(c.t.Context(), field.Quote(photo.ID)); err != nil {
			c.t.Fatal(err)
		}
	}
	flags, err := c.store.List(c.t.Context(), store.Query{
		Visible: access.Everything, Kinds: []field.Kind{field.KindFlag}, Keys: []string{field.KeyFor("targetId", photo.ID), field.KeyFor("code", "photo_alike")}, Limit: 9,
	})
	if err != nil || len(flags) > 1 {
		c.t.Fatalf("%d flags, %v", len(flags), err)
	}
	if len(flags) == 0 {
		return "", nil
	}
	var in struct{ OtherPhotos []string }
	if err := flags[0].Decode("inputs", &in); err != nil {
		c.t.Fatal(err)
	}
	return flags[0].Text("severity"), in.OtherPhotos
}

// Q1 on both stores, with two servers: across sites that share an organisation, only hashes of one version, and never
// with what was voided.
func TestPicturesAtTwoSites(t *testing.T) {
	for name, open := range map[string]func(*testing.T) storage.Store{"sqlite": storagetest.SQLite, "mongodb": storagetest.MongoDB} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			c := &county{t: t, store: s}
			for i := range c.servers {
				e := engine.New(engine.Options{Store: s})
				c.servers[i] = &Examiner{
					engines: &storage.Engines{Store: s}, ledger: &Ledger{engine: e, store: s}, alike: alike.New(s, time.Now), thresholds: checks.DefaultThresholds,
				}
			}
			here, there, far := c.site("bijie", "gz"), c.site("gz"), c.site("far")
			first := c.photo(here, "door", "phash/1:00000000000000ff")
			for _, x := range []struct {
				what  string
				photo *field.Record
				want  string
			}{
				{"the first", first, ""},
				{"the same photo point a year later", c.photo(here, "door", "phash/1:00000000000000ff"), ""},
				{"a site of nobody here", c.photo(far, "", "phash/1:00000000000000ff"), ""},
				{"a hash of another version", c.photo(there, "", "phash/2:00000000000000ff"), ""},
				{"eleven bits", c.photo(there, "", "phash/1:00000000000ffff8"), ""},
			} {
				if got, others := c.examine(1, x.photo); got != x.want {
					t.Errorf("%s: %q with %v", x.what, got, others)
				}
			}
			for i, x := range []struct{ hash, want string }{{"phash/1:00000000000000f8", "high"}, {"phash/1:0000000000ff0fff", ""}, {"phash/1:0000000000003fff", "review"}} {
				p := c.photo(c.site("gz"), "", x.hash)
				got, others := c.examine(i%2, p) // the other server has been told nothing
				if x.want != "" && (got != x.want || len(others) == 0) || x.want == "" && got != "" {
					t.Errorf("%s: %q with %v, want %q", x.hash, got, others, x.want)
				}
			}
			// Who took the photo has taken the id that its flag would have had.
			fraud := c.photo(c.site("gz"), "", "phash/1:00000000000000f8")
			c.commit(fraud.Scope, protocol.Operation{ID: field.DeriveID(fraud.CreatedAt, "flag", "photo_alike", string(fraud.ID)), Kind: field.KindFinding, Set: map[string]field.Value{
				"siteId": field.Quote(fraud.Scope.ID()), "title": field.Quote("占位"),
			}})
			if got, others := c.examine(0, fraud); got != "high" || len(others) == 0 {
				t.Errorf("the flag of a photo whose taker had its id: %q with %v", got, others)
			}
			c.commit(first.Scope, protocol.Operation{ID: first.ID, Kind: field.KindPhoto, Base: first.Version, Command: "void", Args: map[string]field.Value{"reason": field.Quote("误拍")}})
			if _, others := c.examine(0, c.photo(there, "", "phash/1:00000000000000ff")); len(others) == 0 {
				t.Error("nothing is like it")
			} else {
				for _, o := range others {
					if o == string(first.ID) {
						t.Error("a voided photo is named")
					}
				}
			}
		})
	}
}

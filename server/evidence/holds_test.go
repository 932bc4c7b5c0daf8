package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/storage/storagetest"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// file is a small archive of cases, its photos in a blob store.
type file struct {
	t      *testing.T
	holds  *Holds
	engine *engine.Engine
	batch  int64
	n      int
}

func onBothEngines(t *testing.T, test func(*testing.T, *file)) {
	storagetest.OnBoth(t, func(t *testing.T, p *storage.Engines) {
		e := engine.New(engine.Options{Store: p.Store})
		test(t, &file{t: t, engine: e, holds: NewHolds(p.Store, e, p.Originals, slog.New(slog.DiscardHandler))})
	})
}

func (f *file) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// id makes ids that are the same in every run.
func (f *file) id() field.RecordID {
	f.n++
	return field.DeriveID(time.Unix(1_700_000_000, 0), "holds", fmt.Sprint(f.n))
}

func (f *file) do(scope field.Scope, op protocol.Operation) {
	f.t.Helper()
	f.batch++
	if op.Command != "" {
		r, err := f.holds.store.Records(f.t.Context(), []field.RecordID{op.ID})
		f.must(err)
		op.Base = r[0].Version
	}
	_, err := f.engine.Commit(f.t.Context(), protocol.Batch{
		Actor: engine.Server, Device: "server/test", Number: f.batch, Scope: scope, Strict: true, Trusted: true, Operations: []protocol.Operation{op},
	})
	f.must(err)
}

func said(fields map[string]any) map[string]field.Value {
	out := map[string]field.Value{}
	for name, v := range fields {
		out[name] = field.Quote(v)
	}
	return out
}

func clueScope(id field.RecordID) field.Scope { return field.MakeScope(field.ScopeClue, string(id)) }

func sumOf(content []byte) blob.Sum {
	h := sha256.Sum256(content)
	return blob.Sum(hex.EncodeToString(h[:]))
}

// declare says that a photo of some bytes was taken at a site of its own.
func (f *file) declare(content []byte) (photo field.RecordID, site field.Scope) {
	f.t.Helper()
	id, at := f.id(), f.id()
	site = field.MakeScope(field.ScopeSite, string(at))
	f.do(site, protocol.Operation{ID: id, Kind: field.KindPhoto, Set: said(map[string]any{
		"reportId": f.id(), "siteId": at, "sha256": sumOf(content), "size": len(content), "type": "image/jpeg",
	})})
	return id, site
}

// arrive says that the bytes are there.
func (f *file) arrive(photo field.RecordID, site field.Scope, content []byte) {
	f.t.Helper()
	_, err := f.holds.originals.PutIfAbsent(f.t.Context(), sumOf(content), int64(len(content)), bytes.NewReader(content))
	f.must(err)
	f.do(site, protocol.Operation{ID: photo, Kind: field.KindPhoto, Command: "store", Args: said(map[string]any{"receipt": map[string]any{"sha256": sumOf(content)}})})
}

func (f *file) clue() field.RecordID { f.t.Helper(); return f.clueOf("gz") }

// clueOf is a clue that an organisation manages.
func (f *file) clueOf(org string) field.RecordID {
	f.t.Helper()
	id := f.id()
	f.do(clueScope(id), protocol.Operation{ID: id, Kind: field.KindClue, Set: said(map[string]any{"title": "线索", "channel": "petition", "managingOrg": org})})
	return id
}

func (f *file) give(clue field.RecordID, command string, args map[string]any) {
	f.t.Helper()
	f.do(clueScope(clue), protocol.Operation{ID: clue, Kind: field.KindClue, Command: command, Args: said(args)})
}

func (f *file) link(clue, photo field.RecordID) field.RecordID {
	f.t.Helper()
	id := f.id()
	f.do(clueScope(clue), protocol.Operation{ID: id, Kind: field.KindLink, Set: said(map[string]any{
		"clueId": clue, "targetKind": "photo", "targetId": photo, "relation": "supports",
	})})
	return id
}

func (f *file) withdraw(clue, link field.RecordID) {
	f.t.Helper()
	f.do(clueScope(clue), protocol.Operation{ID: link, Kind: field.KindLink, Command: "withdraw", Args: said(map[string]any{"reason": "有误"})})
}

// follow gives the follower every entry that there is, from the first on, in every scope that it asks for: an entry
// that it has seen before changes nothing.
func (f *file) follow() {
	f.t.Helper()
	heads, err := f.holds.store.Heads(f.t.Context(), store.ListScopes{Visible: access.Everything, Types: f.holds.Types(), Limit: 1000})
	f.must(err)
	for _, h := range heads {
		entries, err := f.holds.store.Entries(f.t.Context(), h.Scope, 0, 1000)
		f.must(err)
		for _, e := range entries {
			f.must(f.holds.Entry(f.t.Context(), e))
		}
	}
}

// held follows, and says whether the bytes are held then.
func (f *file) held(what string, content []byte, want bool) {
	f.t.Helper()
	f.follow()
	held, err := f.holds.originals.Held(f.t.Context(), sumOf(content))
	f.must(err)
	if held != want {
		f.t.Errorf("%s: held %v", what, held)
	}
	open := 0
	for _, r := range f.noted(content) {
		if r.State == field.HoldHeld {
			open++
		}
	}
	if bundle := content[0] == 0x1f; !bundle && (open == 1) != want || open > 1 {
		f.t.Errorf("%s: the register has %d holds", what, open)
	}
}

// noted are the holds of some bytes that stand in a register.
func (f *file) noted(content []byte) []*field.Record {
	f.t.Helper()
	found, err := f.holds.store.List(f.t.Context(), store.Query{
		Visible: access.Everything, Kinds: []field.Kind{field.KindHold}, Keys: []string{field.KeyFor("sha256", sumOf(content))}, Limit: 100,
	})
	f.must(err)
	return found
}

func TestAnOriginalIsHeldWhileARegisteredClueRestsOnIt(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		a := []byte("\xff\xd8\xff a photo")
		photo, site := f.declare(a)
		first := f.clue()
		link := f.link(first, photo)
		f.follow() // nothing has arrived
		f.arrive(photo, site, a)
		f.held("the clue has no number", a, false)
		f.give(first, "register", nil)
		f.held("it has one", a, true)
		f.withdraw(first, link)
		f.held("the only link is withdrawn", a, false)

		link = f.link(first, photo)
		second := f.clue()
		f.give(second, "register", nil)
		again := f.link(second, photo)
		f.withdraw(first, link)
		f.held("another clue rests on it", a, true)
		twin, elsewhere := f.declare(a)
		f.arrive(twin, elsewhere, a)
		third := f.link(first, twin)
		f.withdraw(second, again)
		f.held("the same bytes were declared elsewhere and are linked there", a, true)
		f.withdraw(first, third)
		f.held("nothing is left", a, false)
		if noted := f.noted(a); len(noted) != 2 || noted[0].Scope != "register/gz" || noted[0].Text("clueId") == "" {
			t.Errorf("the register says %+v", noted)
		}
	})
}

func TestAHoldFollowsTheCase(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		b := []byte("\xff\xd8\xff late")
		late, site := f.declare(b)
		clue, into := f.clue(), f.clue()
		f.give(clue, "register", nil)
		f.link(clue, late)
		f.follow()
		f.arrive(late, site, b)
		f.held("it arrived after it was linked", b, true)
		f.give(clue, "merge", map[string]any{"into": into, "reason": "并案"})
		f.held("merged into a clue without a number", b, false)
		f.give(into, "register", nil)
		f.held("which has one now", b, true)
		f.give(into, "void", map[string]any{"reason": "误收"})
		f.held("and is voided: the clue that was merged into it is one again", b, true)

		c := []byte("\xff\xd8\xff voided")
		photo, site := f.declare(c)
		f.arrive(photo, site, c)
		clue = f.clue()
		f.give(clue, "register", nil)
		f.link(clue, photo)
		f.do(site, protocol.Operation{ID: photo, Kind: field.KindPhoto, Command: "void", Args: said(map[string]any{"reason": "误传"})})
		f.held("a voided photo may be evidence of that", c, true)
	})
}

// Each organisation whose clue rests on an original has a hold of its own in its register, and is told of no other.
func TestEachOrganisationHasItsOwnHold(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		a := []byte("\xff\xd8\xff of two")
		photo, site := f.declare(a)
		f.arrive(photo, site, a)
		ours, theirs := f.clueOf("gz"), f.clueOf("bijie")
		f.give(ours, "register", nil)
		f.give(theirs, "register", nil)
		says := func(what string, held bool, want ...string) {
			t.Helper()
			f.follow()
			if on, err := f.holds.originals.Held(t.Context(), sumOf(a)); err != nil || on != held {
				t.Errorf("%s: held %v, %v", what, on, err)
			}
			var got []string
			for _, r := range f.noted(a) {
				got = append(got, fmt.Sprint(r.Scope, " ", r.State))
				clue := map[field.Scope]field.RecordID{"register/gz": ours, "register/bijie": theirs}[r.Scope]
				if r.Text("clueId") != string(clue) {
					t.Errorf("%s: %s names the clue %s", what, r.Scope, r.Text("clueId"))
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		first := f.link(ours, photo)
		says("ours", true, "register/gz held")
		second := f.link(theirs, photo)
		says("theirs, too", true, "register/bijie held", "register/gz held")
		f.withdraw(ours, first)
		says("theirs only", true, "register/bijie held", "register/gz released")
		first = f.link(ours, photo)
		f.withdraw(theirs, second)
		says("ours again, and theirs no more", true, "register/bijie released", "register/gz held", "register/gz released")
		f.withdraw(ours, first)
		says("nobody's", false, "register/bijie released", "register/gz released", "register/gz released")
	})
}

// A bundle of the archive lies beside the originals. Who declares a photo with its hash does not get it released.
func TestABundleIsNeverReleased(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		bundle := []byte("\x1f\x8b a bundle")
		photo, site := f.declare(bundle)
		f.arrive(photo, site, bundle)
		f.must(f.holds.originals.SetHold(t.Context(), sumOf(bundle), true))
		clue := f.clue()
		f.give(clue, "register", nil)
		f.withdraw(clue, f.link(clue, photo))
		f.held("a bundle", bundle, true)
	})
}

// A hold that was taken off behind the server's back is a fault in the report, and is set again at the next start.
func TestAMissingHoldIsFoundAndMended(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		a, free := []byte("\xff\xd8\xff held"), []byte("\xff\xd8\xff by hand")
		photo, site := f.declare(a)
		f.arrive(photo, site, a)
		other, elsewhere := f.declare(free)
		f.arrive(other, elsewhere, free)
		clue := f.clue()
		f.give(clue, "register", nil)
		f.link(clue, photo)
		report := func(at time.Time) (faults, remarks int, held int64) {
			t.Helper()
			for _, sum := range []blob.Sum{sumOf(a), sumOf(free)} {
				is, remark, err := f.holds.Check(t.Context(), sum, at)
				if is {
					held++
				}
				if remark != "" {
					remarks++
				}
				if err != nil {
					faults++
				}
			}
			return faults, remarks, held
		}
		if faults, remarks, held := report(time.Now()); faults != 0 || remarks != 1 || held != 0 {
			t.Errorf("before the follower has come to it: %d faults, %d remarks, %d held", faults, remarks, held)
		}
		if faults, _, _ := report(time.Now().Add(time.Hour)); faults != 1 {
			t.Errorf("an hour later: %d faults", faults)
		}
		for _, scope := range []field.Scope{site, clueScope(clue)} { // as if it had said so and done nothing
			_, err := f.holds.store.PutDoc(t.Context(), store.Doc{Shelf: store.Cursors, ID: "holds@" + string(scope), Body: field.Quote(map[string]int64{"seq": 100})})
			f.must(err)
		}
		if faults, _, _ := report(time.Now()); faults != 1 {
			t.Errorf("after the follower has passed: %d faults", faults)
		}
		f.must(f.holds.originals.SetHold(t.Context(), sumOf(free), true))
		f.must(f.holds.Mend(t.Context()))
		if faults, remarks, held := report(time.Now()); faults != 0 || remarks != 1 || held != 2 {
			t.Errorf("after mending: %d faults, %d remarks, %d held", faults, remarks, held)
		}
	})
}

// restless is a photo store in which somebody withdraws a link while its hold is being set.
type restless struct {
	blob.Store
	during func()
}

func (r *restless) SetHold(ctx context.Context, sum blob.Sum, on bool) error {
	if during := r.during; during != nil {
		r.during = nil
		during()
	}
	return r.Store.SetHold(ctx, sum, on)
}

// Two servers follow the same log. One is slow: it sets a hold after the other has released it.
func TestTheLastToSetAHoldLooksAgain(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		a := []byte("\xff\xd8\xff contended")
		photo, site := f.declare(a)
		f.arrive(photo, site, a)
		clue := f.clue()
		f.give(clue, "register", nil)
		link := f.link(clue, photo)
		quick := f.holds
		slow := *f.holds
		slow.originals = &restless{Store: quick.originals, during: func() {
			f.withdraw(clue, link)
			f.must(quick.photo(t.Context(), photo))
		}}
		f.must(slow.photo(t.Context(), photo))
		held, err := quick.originals.Held(t.Context(), sumOf(a))
		if err != nil || held {
			t.Errorf("held %v, %v", held, err)
		}
	})
}

// The id under which a hold was noted once followed from what an inspector knows of a photo. Anyone who takes it before
// keeps no original from being held, and anyone who takes it afterwards does not learn that there is a hold.
func TestNobodyTakesTheIdOfAHold(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		taken := func(content []byte) field.RecordID {
			return field.DeriveID(time.Unix(1_600_000_000, 0), "hold", "gz", string(sumOf(content)), "0")
		}
		a, b := []byte("\xff\xd8\xff a"), []byte("\xff\xd8\xff b")
		clue := f.clue()
		f.give(clue, "register", nil)
		for i, content := range [][]byte{a, b} {
			photo, site := f.declare(content)
			take := func() {
				f.do(site, protocol.Operation{ID: taken(content), Kind: field.KindPhoto, Set: said(map[string]any{
					"reportId": f.id(), "siteId": site.ID(), "sha256": sumOf([]byte("x")), "size": 9, "type": "image/jpeg",
				})})
			}
			if i == 0 {
				take()
			}
			f.arrive(photo, site, content)
			f.link(clue, photo)
			f.held("linked", content, true)
			if i > 0 {
				take() // as before there was a hold
			}
		}
		f.must(f.holds.Mend(t.Context()))
	})
}

// A hold that cannot be set or noted is said in the log; all others are set, by the follower and by mending.
func TestOneHoldThatIsRefusedStopsNoOther(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		var logged bytes.Buffer
		f.holds.log = slog.New(slog.NewTextHandler(&logged, nil))
		gone, refused, good := []byte("\xff\xd8\xff gone"), []byte("\xff\xd8\xff refused"), []byte("\xff\xd8\xff good")
		f.holds.commit = picky{f.engine, sumOf(refused)}
		clue := f.clue()
		f.give(clue, "register", nil)
		for _, content := range [][]byte{gone, refused, good} {
			photo, site := f.declare(content)
			if bytes.Equal(content, gone) { // its bytes were lost, or set aside
				f.do(site, protocol.Operation{ID: photo, Kind: field.KindPhoto, Command: "store", Args: said(map[string]any{"receipt": map[string]any{"sha256": sumOf(gone)}})})
			} else {
				f.arrive(photo, site, content)
			}
			f.link(clue, photo)
		}
		f.held("the good one", good, true)
		for _, content := range [][]byte{gone, refused} {
			if !strings.Contains(logged.String(), "level=ERROR") || !strings.Contains(logged.String(), string(sumOf(content))) {
				t.Errorf("the log says nothing of %s:\n%s", content, logged.String())
			}
		}
		f.must(f.holds.originals.SetHold(t.Context(), sumOf(good), false))
		f.must(f.holds.Mend(t.Context()))
		f.held("mended", good, true)

		// What may be better in a moment is tried again.
		f.holds.commit = down{}
		f.must(f.holds.originals.SetHold(t.Context(), sumOf(refused), true))
		if err := f.holds.Mend(t.Context()); !field.Is(err, field.CodeStoreDown) {
			t.Errorf("while the store was down: %v", err)
		}
		f.holds.commit = f.engine
		f.must(f.holds.Mend(t.Context()))
		f.held("refused before", refused, true)
	})
}

// picky is a write path that refuses the holds of one original for good.
type picky struct {
	Committer
	sum blob.Sum
}

func (p picky) Commit(ctx context.Context, b protocol.Batch) (protocol.PushResponse, error) {
	if string(b.Operations[0].Set["sha256"]) == string(field.Quote(p.sum)) {
		return protocol.PushResponse{}, field.Refuse(field.CodeWrongScope, "")
	}
	return p.Committer.Commit(ctx, b)
}

// down is a write path whose store does not answer.
type down struct{}

func (down) Commit(context.Context, protocol.Batch) (protocol.PushResponse, error) {
	return protocol.PushResponse{}, field.Refuse(field.CodeStoreDown, "")
}

// Several servers that come to the same photo at once note one hold.
func TestServersAtOnceNoteOneHold(t *testing.T) {
	onBothEngines(t, func(t *testing.T, f *file) {
		a := []byte("\xff\xd8\xff several")
		photo, site := f.declare(a)
		f.arrive(photo, site, a)
		clue := f.clue()
		f.give(clue, "register", nil)
		f.link(clue, photo)
		var all sync.WaitGroup
		for range 3 {
			h := *f.holds
			h.commit = engine.New(engine.Options{Store: h.store})
			all.Go(func() {
				for range 20 { // the store may ask for another try
					if err := h.photo(t.Context(), photo); !field.Is(err, field.CodeBusy) {
						if err != nil {
							t.Error(err)
						}
						return
					}
				}
				t.Error("always busy")
			})
		}
		all.Wait()
		f.held("by three servers", a, true)
	})
}

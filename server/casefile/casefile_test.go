package casefile

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/blob/dir"
	"fieldclue/media/receipt"
	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/storage/storagetest"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// What must never be in the file of the case: names of villagers, a refused number, other cases, other visits.
var secrets = []string{"王秀兰", "李四有", "11010519491231002X", "赵六斤", "孙家户", "钱七", "别案的文字", "别的报告", "别案标题"}

// world is a county with one visit, of which two findings became two clues.
type world struct {
	t      *testing.T
	store  engine.Store
	engine *engine.Engine
	blobs  blob.Store
	key    ed25519.PrivateKey
	older  receipt.Keys // that the server had before
	clock  time.Time
	last   int64

	ann, cai   *access.Actor
	clue       field.ClueID
	other      field.ClueID
	site       field.Scope
	photo      []byte
	interviews map[string]field.RecordID
}

func onBothStores(t *testing.T, test func(t *testing.T, w *world)) {
	storagetest.OnBothStores(t, func(t *testing.T, s storage.Store) { test(t, newWorld(t, s)) })
}

func newWorld(t *testing.T, s storage.Store) *world {
	t.Helper()
	w := &world{
		t: t, store: s, key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), clock: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC),
		interviews: map[string]field.RecordID{},
	}
	blobs, err := dir.Open(dir.Config{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w.blobs = blobs
	w.engine = engine.New(engine.Options{Store: s, Now: func() time.Time { return w.clock }, ActorOf: func(_ context.Context, user field.UserID) (*access.Actor, error) {
		gone := *w.ann // nobody else's operations are accepted here
		gone.Scopes = nil
		if user != gone.User {
			return nil, nil
		}
		return &gone, nil
	}})
	w.story()
	return w
}

func (w *world) id() field.RecordID {
	w.last++
	return field.NewID(w.clock, [10]byte{8: byte(w.last >> 8), 9: byte(w.last)})
}

func set(pairs ...any) map[string]field.Value {
	m := map[string]field.Value{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = field.Quote(pairs[i+1])
	}
	return m
}

// does commits what must be taken.
func (w *world) does(who *access.Actor, scope field.Scope, ops ...protocol.Operation) {
	w.t.Helper()
	w.last++
	w.clock = w.clock.Add(time.Minute)
	_, err := w.engine.Commit(w.t.Context(), protocol.Batch{
		Actor: who, Device: "desk/test", Number: w.last, Scope: scope, Operations: ops, Strict: true, Trusted: who.Server,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// sends is a push from a phone; it gives what became of each operation.
func (w *world) sends(ops ...protocol.Operation) (outcomes []protocol.OutcomeKind) {
	w.t.Helper()
	w.last++
	w.clock = w.clock.Add(time.Minute)
	res, err := w.engine.Push(w.t.Context(), w.ann, protocol.PushRequest{Device: w.ann.Device, Batch: w.last, Scope: w.site, Operations: ops, App: "1.0.0"})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range res.Outcomes {
		if o.Outcome == protocol.Rejected && o.Code != field.CodeIdentityInText {
			w.t.Fatalf("%s: %s", o.Code, o.Message)
		}
		outcomes = append(outcomes, o.Outcome)
	}
	return outcomes
}

func (w *world) version(id field.RecordID) int64 {
	w.t.Helper()
	r, err := w.store.Records(w.t.Context(), []field.RecordID{id})
	if err != nil || len(r) != 1 {
		w.t.Fatal(r, err)
	}
	return r[0].Version
}

func (w *world) story() {
	org := field.MakeScope(field.ScopeOrg, "gz")
	op := func(kind field.Kind, id field.RecordID, s map[string]field.Value) protocol.Operation {
		return protocol.Operation{ID: id, Kind: kind, Set: s}
	}
	command := func(kind field.Kind, id field.RecordID, name string, args map[string]field.Value) protocol.Operation {
		return protocol.Operation{ID: id, Kind: kind, Base: w.version(id), Command: name, Args: args}
	}
	w.does(engine.Server, org, op(field.KindOrg, field.OrgRecord("gz"), set("code", "gz", "name", "荔湾", "region", "520500")))
	ann, cai := w.id(), w.id()
	w.does(engine.Server, org, op(field.KindPerson, ann, set("name", "检查员安")), op(field.KindPerson, cai, set("name", "案管蔡")))
	project, site, template := w.id(), w.id(), w.id()
	w.site = field.MakeScope(field.ScopeSite, string(site))
	w.ann = &access.Actor{User: field.UserID(ann), Org: "gz", Device: field.DeviceID(w.id()), Roles: []access.Grant{{Role: access.Inspector}}, Scopes: []field.Scope{w.site}}
	w.cai = &access.Actor{User: field.UserID(cai), Org: "gz", Device: field.DeviceID(w.id()), Roles: []access.Grant{{Role: access.Supervisor}, {Role: access.ClueManager}}}
	w.does(w.cai, org, op(field.KindProject, project, set(
		"externalId", "P", "name", "茶园", "type", "industry", "county", "520502",
	)))
	w.does(w.cai, field.LedgerScope(field.ProjectID(project)), op(field.KindPayment, w.id(), set(
		"projectId", project, "date", "2026-01-02", "amount", 9000, "payee", "钱七", "payeeKind", "person",
	)))
	w.does(engine.Server, org, op(field.KindSite, site, set(
		"name", "一号点", "projectId", project, "region", "520502", "orgs", []string{"gz"}, "position", map[string]any{"lat": 27.3, "lon": 105.3}, "radius", 200,
		"households", []map[string]any{{"alias": "孙家户", "petitioned": true}},
	)))
	w.does(engine.Server, org, op(field.KindTemplate, template, set("title", "清单", "version", 1, "items", []map[string]any{{"id": "roof", "zh": "屋面漏水？", "type": "yes_no"}})))

	report, photo, mine, finding := w.id(), w.id(), w.id(), w.id()
	w.photo = bytes.Repeat([]byte("a photo, byte for byte. "), 100)
	h := sha256.Sum256(w.photo)
	sum := hex.EncodeToString(h[:])
	w.sends(
		op(field.KindReport, report, set("siteId", site, "templateId", template, "summary", "走访一户", "answers", map[string]any{"roof": map[string]any{"value": true}})),
		op(field.KindPhoto, photo, set("reportId", report, "siteId", site, "sha256", sum, "size", len(w.photo), "type", "image/jpeg", "item", "roof", "caption", "屋面")),
		op(field.KindInterview, mine, set("reportId", report, "siteId", site, "alias", "王秀兰", "text", "没有水")),
		op(field.KindFinding, finding, set("reportId", report, "siteId", site, "title", "屋面漏水", "facts", "三处", "evidence", []field.RecordID{photo, mine})),
	)
	base := w.version(mine)
	got := w.sends(
		protocol.Operation{ID: mine, Kind: field.KindInterview, Base: base, Set: set("alias", "甲户")},
		protocol.Operation{ID: mine, Kind: field.KindInterview, Base: base, Set: set("text", "李四有 11010519491231002X 说没有水")},
	)
	if !slices.Equal(got, []protocol.OutcomeKind{protocol.Applied, protocol.Rejected}) {
		w.t.Fatalf("corrected and refused: %v", got)
	}
	w.acceptsLate(finding)
	voided, second, theirs := w.id(), w.id(), w.id()
	w.interviews["mine"], w.interviews["voided"], w.interviews["theirs"] = mine, voided, theirs
	w.sends(
		op(field.KindInterview, voided, set("reportId", report, "siteId", site, "alias", "赵六斤")),
		op(field.KindInterview, theirs, set("reportId", report, "siteId", site, "alias", "乙户", "text", "别案的文字")),
		op(field.KindFinding, second, set("reportId", report, "siteId", site, "title", "别案标题", "facts", "别案的文字", "evidence", []field.RecordID{theirs})),
		op(field.KindReport, w.id(), set("siteId", site, "templateId", template, "summary", "别的报告")),
	)
	w.sends(command(field.KindInterview, voided, "void", set("reason", "写了赵六斤的名字")))
	if _, err := w.blobs.PutIfAbsent(w.t.Context(), blob.Sum(sum), int64(len(w.photo)), bytes.NewReader(w.photo)); err != nil {
		w.t.Fatal(err)
	}
	paper := receipt.NewSigner(w.key).Sign(string(photo), sum, int64(len(w.photo)), "image/jpeg", w.clock)
	w.does(engine.Server, w.site, command(field.KindPhoto, photo, "store", set("receipt", paper, "interruptions", 2, "sentBy", w.ann.User)))
	w.clue, w.other = field.ClueID(w.id()), field.ClueID(w.id())
	for f, clue := range map[field.RecordID]field.ClueID{finding: w.clue, second: w.other} {
		w.does(w.cai, w.site, command(field.KindFinding, f, "classify", set("class", "clue", "violation", "false_claim", "clueId", clue, "reason", "移送")))
	}
	w.does(w.cai, field.MakeScope(field.ScopeClue, string(w.clue)), command(field.KindClue, field.RecordID(w.clue), "register", nil))
}

// acceptsLate is an edit that came after the inspector's access had ended: it was kept, and was accepted.
func (w *world) acceptsLate(finding field.RecordID) {
	w.t.Helper()
	gone := *w.ann
	gone.Scopes = nil
	w.last++
	res, err := w.engine.Push(w.t.Context(), &gone, protocol.PushRequest{Device: gone.Device, Batch: w.last, Scope: w.site, App: "1.0.0", Operations: []protocol.Operation{
		{ID: finding, Kind: field.KindFinding, Base: w.version(finding), Set: set("facts", late)},
	}})
	if err != nil || res.Outcomes[0].Outcome != protocol.Rejected {
		w.t.Fatal(res, err)
	}
	kept := res.Outcomes[0].RecordID
	w.does(w.cai, field.MakeScope(field.ScopeUser, string(gone.User)), protocol.Operation{ID: kept, Kind: field.KindParked, Base: w.version(kept), Command: "accept"})
}

// late is what the finding of the case says in the end.
const late = "三处，雨后又多一处"

func (w *world) export() []byte {
	w.t.Helper()
	m := &Maker{Store: w.store, Blobs: w.blobs, Keys: w.ring().Always()}
	f, err := m.Gather(w.t.Context(), access.Everything, w.clue)
	if err != nil {
		w.t.Fatal(err)
	}
	var b bytes.Buffer
	sum, size, err := f.Write(w.t.Context(), &b)
	if h := sha256.Sum256(b.Bytes()); err != nil || size != int64(b.Len()) || sum != hex.EncodeToString(h[:]) {
		w.t.Fatal(sum, size, err)
	}
	return b.Bytes()
}

func (w *world) ring() receipt.Ring {
	ring := receipt.NewRing(w.key)
	ring.Keys = append(ring.Keys, w.older...)
	return ring
}

func (w *world) public() receipt.Keys { return receipt.NewRing(w.key).Keys }

func checked(t *testing.T, b []byte, key receipt.Keys) *Report {
	t.Helper()
	r, err := Check(bytes.NewReader(b), int64(len(b)), key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The file holds the case and proves it; nobody's name and no other case is in it, be it as a text or behind a hash
// that would confirm a guess.
func TestTheFileOfACase(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		b := w.export()
		r := checked(t, b, w.public())
		if !r.Sound() || r.Believed || r.Photos != 1 || r.Whole < 5 || r.Parts < 3 {
			t.Fatalf("%+v\n%s", r, r)
		}
		for _, s := range secrets {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s is in the file", s)
			}
		}
		for _, s := range []string{"屋面漏水", "甲户", "没有水", "检查员安", "中断 interrupted 2", late, string(field.CodeIdentityInText), string(w.photo), string(w.interviews["mine"])} {
			if !bytes.Contains(b, []byte(s)) {
				t.Errorf("%.20s is not in the file", s)
			}
		}
		withheld := 0
		for _, l := range r.About.Logs {
			withheld += l.Withheld
			for seq := int64(1); seq <= l.Entries; seq++ {
				e, err := w.store.Entry(t.Context(), l.Scope, seq)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(e.Body, []byte("王秀兰")) && bytes.Contains(b, []byte(e.Hash)) {
					t.Errorf("the hash of entry %s %d would confirm the name", l.Scope, seq)
				}
			}
		}
		if withheld == 0 {
			t.Error("no hash is withheld")
		}
		var left []field.RecordID
		for _, l := range r.About.LeftOut {
			left = append(left, l.ID)
		}
		if !slices.Contains(left, w.interviews["theirs"]) || slices.Contains(left, w.interviews["mine"]) {
			t.Errorf("left out: %v", r.About.LeftOut)
		}
		if again := w.export(); !bytes.Equal(b, again) {
			t.Error("the same case gave another file")
		}
		w.does(w.cai, field.MakeScope(field.ScopeClue, string(w.clue)), protocol.Operation{
			ID: field.RecordID(w.clue), Kind: field.KindClue, Base: w.version(field.RecordID(w.clue)), Set: set("summary", "补充"),
		})
		if again := w.export(); bytes.Equal(b, again) || !checked(t, again, w.public()).Sound() {
			t.Error("the changed case gave the same file, or one that does not hold")
		}
	})
}

// What one may not see is not in the file either.
func TestNobodyExportsWhatHeDoesNotSee(t *testing.T) {
	onBothStores(t, func(t *testing.T, w *world) {
		m := &Maker{Store: w.store, Blobs: w.blobs, Keys: w.ring().Always()}
		if _, err := m.Gather(t.Context(), access.Visible(w.ann), w.clue); !field.Is(err, field.CodeNotFound) {
			t.Errorf("an inspector: %v", err)
		}
		narrow := access.Filter{Any: []access.Clause{{Types: []field.ScopeType{field.ScopeClue}}}}
		f, err := m.Gather(t.Context(), narrow, w.clue)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, _, err := f.Write(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b.Bytes(), w.photo) || bytes.Contains(b.Bytes(), []byte("甲户")) || len(f.Photos) > 0 {
			t.Error("the evidence is in the file")
		}
		if r := checked(t, b.Bytes(), w.public()); !r.Sound() || len(r.About.LeftOut) == 0 {
			t.Errorf("%s", r)
		}
	})
}

// regions says for each byte of a ZIP whose it is: of a file, or of the directory's end.
func regions(t *testing.T, b []byte) []string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	of := make([]string, len(b))
	end := 0
	for _, f := range z.File {
		at, err := f.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		next := int(at) + int(f.UncompressedSize64)
		for i := end; i < next; i++ {
			of[i] = f.Name
		}
		end = next
	}
	for _, f := range z.File {
		for i := range 46 + len(f.Name) {
			of[end+i] = directoryOf + " " + f.Name
		}
		end += 46 + len(f.Name)
	}
	for i := end; i < len(b); i++ {
		of[i] = directoryOf
	}
	return of
}

// Any single changed byte is noticed, and the file that it belongs to is named: contents, headers, directory.
func TestAnyChangedByteIsNamed(t *testing.T) {
	w := newWorld(t, storagetest.SQLite(t))
	b, random := w.export(), rand.New(rand.NewPCG(5, 17))
	of := regions(t, b)
	var places []int
	for i := range b {
		if i == 0 || of[i] != of[i-1] { // each header and each line of the directory, at one place in each of its fields
			for _, field := range []int{0, 4, 6, 8, 10, 12, 14, 18, 22, 26, 28, 30, 34, 42} {
				places = append(places, min(i+field, len(b)-1))
			}
		}
	}
	for range 400 {
		places = append(places, random.IntN(len(b)))
	}
	for i := range 22 {
		places = append(places, len(b)-1-i)
	}
	for _, at := range places {
		changed := bytes.Clone(b)
		changed[at] ^= 1 << random.IntN(8)
		r := checked(t, changed, w.public())
		name := strings.TrimPrefix(of[at], directoryOf+" ")
		named := slices.ContainsFunc(r.Faults, func(f Fault) bool {
			return f.File == name || strings.HasPrefix(of[at], directoryOf) && f.File == directoryOf
		})
		if name == signatureName { // the signature and the manifest are one thing
			named = named || slices.ContainsFunc(r.Faults, func(f Fault) bool { return f.File == manifestName })
		}
		if !named {
			t.Errorf("byte %d, of %s: %v", at, of[at], r.Faults)
		}
	}
	for _, n := range []int{0, 1, 21, 97, len(b) / 2, len(b) - 1} {
		if r := checked(t, b[:n], w.public()); r.Sound() {
			t.Errorf("the first %d bytes are taken for the whole", n)
		}
	}
	if checked(t, append(bytes.Clone(b), 0), w.public()).Sound() || checked(t, append([]byte{0}, b...), w.public()).Sound() {
		t.Error("a byte more is not noticed")
	}
}

// forged packs a file anew with other contents, and signs it with a key: a forger who has it can do no better.
func forged(t *testing.T, b []byte, key ed25519.PrivateKey, change func(files map[string][]byte)) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	change(files)
	delete(files, manifestName)
	delete(files, signatureName)
	g := &sealer{Maker: &Maker{}, ring: receipt.NewRing(key), near: &near{clue: &field.Record{}}, tale: newTale()}
	for name, content := range files {
		g.addBytes(name, content)
	}
	f, err := g.file(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, _, err := f.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Even what is signed with the right key must agree with itself.
func TestWhatIsSignedMustHold(t *testing.T) {
	w := newWorld(t, storagetest.SQLite(t))
	b := w.export()
	find := func(files map[string][]byte, prefix, suffix string) string {
		var names []string
		for n := range files {
			if strings.HasPrefix(n, prefix) && strings.HasSuffix(n, suffix) && !strings.HasSuffix(n, chainName) {
				names = append(names, n)
			}
		}
		slices.Sort(names)
		if len(names) == 0 {
			t.Fatalf("no %s…%s", prefix, suffix)
		}
		return names[len(names)-1]
	}
	swap := func(files map[string][]byte, name, old, now string) string {
		if !bytes.Contains(files[name], []byte(old)) {
			t.Fatalf("%s has no %s", name, old)
		}
		files[name] = bytes.ReplaceAll(files[name], []byte(old), []byte(now))
		return name
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		key    ed25519.PrivateKey
		change func(files map[string][]byte) string // what is named
	}{
		"nothing": {w.key, func(map[string][]byte) string { return "" }},
		"a record": {w.key, func(f map[string][]byte) string {
			return swap(f, find(f, "records/finding-", ".json"), "三处", "两处")
		}},
		"a whole entry": {w.key, func(f map[string][]byte) string {
			return swap(f, find(f, "log/clue-", wholeEnd), "register", "assigned")
		}},
		"a hash of the chain": {w.key, func(f map[string][]byte) string {
			name := scopeDir(field.MakeScope(field.ScopeClue, string(w.clue))) + chainName
			f[name] = append(append([]byte("1 "), bytes.Repeat([]byte("ab"), 32)...), f[name][66:]...)
			return strings.TrimSuffix(name, chainName) + "0000000001.json"
		}},
		"the end of the chain": {w.key, func(f map[string][]byte) string {
			name := scopeDir("org/gz") + chainName
			lines := bytes.SplitAfter(f[name], []byte("\n"))
			lines = lines[:len(lines)-2]
			f[name] = bytes.Join(lines, nil)
			return name
		}},
		"a part": {w.key, func(f map[string][]byte) string {
			name := find(f, "log/site-", partEnd)
			delete(f, name)
			return ""
		}},
		"a photo": {w.key, func(f map[string][]byte) string {
			name := find(f, originalsDir, ".jpg")
			f[name] = append(bytes.Clone(f[name]), '!')
			return name
		}},
		"no photo": {w.key, func(f map[string][]byte) string {
			name := find(f, originalsDir, ".jpg")
			delete(f, name)
			return name
		}},
		"a receipt": {w.key, func(f map[string][]byte) string {
			return swap(f, find(f, receiptsDir, ".json"), "image/jpeg", "image/png")
		}},
		"the statement": {w.key, func(f map[string][]byte) string {
			return swap(f, headsName, "org/gz ", "org/gx ")
		}},
		"a surplus file": {w.key, func(f map[string][]byte) string { f["zz.txt"] = nil; return "zz.txt" }},
		"another key":    {stranger, func(map[string][]byte) string { return manifestName }},
	} {
		t.Run(name, func(t *testing.T) {
			want := ""
			r := checked(t, forged(t, b, tc.key, func(f map[string][]byte) { want = tc.change(f) }), w.public())
			if r.Sound() != (name == "nothing") || want != "" && !slices.ContainsFunc(r.Faults, func(f Fault) bool { return f.File == want }) {
				t.Errorf("want %s named: %v", want, r.Faults)
			}
		})
	}
	if r := checked(t, b, nil); !r.Sound() || !r.Believed || !strings.Contains(r.String(), "BELIEVED, NOT CHECKED") {
		t.Errorf("without a key: %s", r)
	}
}

// Files that want memory, or a place on somebody's disk.
func TestHostileFilesAreRefused(t *testing.T) {
	for name, write := range map[string]func(z *zip.Writer) error{
		"a path that climbs": func(z *zip.Writer) error { _, err := z.Create("../../etc/passwd"); return err },
		"an absolute path":   func(z *zip.Writer) error { _, err := z.Create("/etc/passwd"); return err },
		"a name twice": func(z *zip.Writer) error {
			for range 2 {
				if _, err := z.CreateHeader(&zip.FileHeader{Name: aboutName, Method: zip.Store}); err != nil {
					return err
				}
			}
			return nil
		},
		"a bomb": func(z *zip.Writer) error {
			f, err := z.Create(aboutName)
			if err == nil {
				_, err = io.CopyN(f, zeros{}, 50<<20)
			}
			return err
		},
		"a size that is a lie": func(z *zip.Writer) error {
			_, err := z.CreateRaw(&zip.FileHeader{Name: aboutName, CompressedSize64: 1 << 40, UncompressedSize64: 1 << 40})
			return err
		},
		"too many files": func(z *zip.Writer) error {
			for i := range maxFiles + 1 {
				if _, err := z.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%06d", i)}); err != nil {
					return err
				}
			}
			return nil
		},
		"no files": func(*zip.Writer) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			z := zip.NewWriter(&b)
			if err := write(z); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			if r := checked(t, b.Bytes(), nil); r.Sound() || r.Files > 0 && name != "no files" {
				t.Errorf("it was read: %s", r)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A stranger has the file, the key, and nothing else: another process, an empty directory, no environment.
func TestAStrangerVerifies(t *testing.T) {
	if path := os.Getenv("FIELDCLUE_TEST_CASE"); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		key, err := receipt.ParseKeys([]byte(os.Getenv("FIELDCLUE_TEST_KEY")))
		if err != nil {
			t.Fatal(err)
		}
		if r := checked(t, b, key); !r.Sound() || r.Believed {
			t.Fatal(r)
		}
		return
	}
	w := newWorld(t, storagetest.SQLite(t))
	b := w.export()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	verify := func(content []byte) error {
		path := filepath.Join(t.TempDir(), "case.zip")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), program, "-test.run=^TestAStrangerVerifies$")
		c.Dir, c.Env = t.TempDir(), []string{"FIELDCLUE_TEST_CASE=" + path, "FIELDCLUE_TEST_KEY=" + base64.StdEncoding.EncodeToString(w.public()[0].PublicKey)}
		return c.Run()
	}
	if err := verify(b); err != nil {
		t.Errorf("the file as it is: %v", err)
	}
	b[len(b)/2] ^= 4
	if verify(b) == nil {
		t.Error("a changed file holds")
	}
}

func FuzzCheck(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	ring := receipt.NewRing(key)
	f.Add("case.json", []byte(`{"v":1,"clue":"c","logs":[{"scope":"clue/0193a000-0000-7000-8000-000000000001","entries":1,"parts":1}]}`), "log/clue-0193a000-0000-7000-8000-000000000001/chain.txt", []byte("1 -\n"), []byte("PK"))
	f.Add("log/org-gz/0000000001.json", []byte(`{"v":1,"scope":"org/gz","seq":1,"at":"2026-01-01T00:00:00Z","changes":[{"id":"x","kind":"photo","op":1}]}`),
		"case.json", []byte(`{"v":1,"logs":[{"scope":"org/gz","entries":1,"whole":1}]}`), []byte{})
	f.Fuzz(func(t *testing.T, name string, content []byte, second string, more, raw []byte) {
		if r, err := Check(bytes.NewReader(raw), int64(len(raw)), ring.Keys); err == nil && r.Sound() {
			t.Fatal("any bytes are a case file")
		}
		if !goodName(name) || !goodName(second) || name == second {
			return
		}
		g := &sealer{Maker: &Maker{}, ring: receipt.NewRing(key), near: &near{clue: &field.Record{}}, tale: newTale()}
		g.addBytes(name, content)
		g.addBytes(second, more)
		if name == manifestName || second == manifestName || name == signatureName || second == signatureName {
			return
		}
		file, err := g.file(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, _, err := file.Write(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		if r, err := Check(bytes.NewReader(b.Bytes()), int64(b.Len()), ring.Keys); err != nil || r.Sound() {
			t.Fatal("two files are a case file", r, err)
		}
	})
}

package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/sandbox"
	"fieldclue/media/thumb"
	"fieldclue/media/verify"
	"fieldclue/media/worker"
	"fieldclue/server/access"
	"fieldclue/server/alike"
	"fieldclue/server/checks"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store"
	"fieldclue/sync/engine"
	"fieldclue/sync/protocol"
)

// examineJob is the job of looking at one photo that has arrived; its id is the photo's.
const examineJob = "examine"

// largeJob is the same for a photo that takes some seconds, slowJob for one that takes long, or that took more than it
// may. Each kind waits for its own: no photo of every day for a large one, and no other for one that takes long.
const (
	largeJob = "examine-large"
	slowJob  = "examine-slow"
)

const (
	quickTime  = 4 * time.Second  // of the processor, for a photo that takes half of one
	largeTime  = 15 * time.Second // a HEIC of a phone has taken six
	quickWall  = time.Minute      // however busy the machine is
	slowTime   = 2 * time.Minute
	slowMemory = 1536 << 20 // a HEIC of 10 bits and 33 megapixels takes 1.4 GB
)

// Arrivals follows the log of the sites: every photo that is stored becomes a job, and so does a report whose times
// change.
type Arrivals struct{ Pool *worker.Pool }

// Name implements engine.Follower.
func (a *Arrivals) Name() string { return "arrivals" }

// Types implements engine.Follower.
func (a *Arrivals) Types() []field.ScopeType { return []field.ScopeType{field.ScopeSite} }

// Entry implements engine.Follower.
func (a *Arrivals) Entry(ctx context.Context, e store.Entry) error {
	if !slices.ContainsFunc([]string{`"receipt":`, `"startedAt":`, `"endedAt":`, `"corrections":`}, func(s string) bool { return bytes.Contains(e.Body, []byte(s)) }) {
		return nil // most entries, and not worth parsing
	}
	body, err := protocol.Open(e)
	if err != nil {
		return err
	}
	for _, c := range body.Changes {
		if c.State == field.PhotoStored && c.Set["receipt"] != nil {
			if err := ExamineLater(ctx, a.Pool, c.ID); err != nil {
				return err
			}
		}
	}
	for _, id := range timesOf(body) {
		if err := a.recheckLater(ctx, id, e.Seq); err != nil {
			return err
		}
	}
	return nil
}

// ExamineLater queues the examination of a photo that has arrived.
func ExamineLater(ctx context.Context, pool *worker.Pool, photo field.RecordID) error {
	return pool.Enqueue(ctx, examineJob, string(photo), photo)
}

// WrongJob says what is wrong with the document of a job at a time; empty: nothing.
func WrongJob(doc store.Doc, now time.Time) string {
	return worker.Wrong(doc, now, []string{examineJob, recheckJob}, []string{largeJob, slowJob})
}

// Unexamined reports whether nobody will come to examine a photo: it has no job, and the follower that makes one has
// passed.
func Unexamined(ctx context.Context, s storage.Store, photo *field.Record) (bool, error) {
	if photo.Deleted || !field.PhotoIsStored(photo) || photo.Fields["facts"] != nil {
		return false, nil
	}
	for _, job := range []string{slowJob, largeJob, examineJob, largeJob, slowJob} { // one becomes another meanwhile
		if _, err := s.GetDoc(ctx, store.Jobs, job+"/"+string(photo.ID)); !field.Is(err, field.CodeNotFound) {
			return false, err
		}
	}
	doc, err := s.GetDoc(ctx, store.Cursors, (&Arrivals{}).Name()+"@"+string(photo.Scope))
	if field.Is(err, field.CodeNotFound) {
		return false, nil
	}
	var at struct{ Seq int64 }
	if err != nil || json.Unmarshal(doc.Body, &at) != nil || at.Seq < photo.Stamps["receipt"].Seq {
		return false, err // what is wrong with the cursor is said elsewhere
	}
	now, err := s.Records(ctx, []field.RecordID{photo.ID})
	return err == nil && len(now) == 1 && now[0].Fields["facts"] == nil, err
}

// Examiner turns the bytes of a photo into facts, renditions and flags.
type Examiner struct {
	engines            *storage.Engines
	ledger             *Ledger
	quick, large, slow *sandbox.Decoder
	later              func(ctx context.Context, kind, id string, payload any) error // queues a job
	alike              *alike.Index
	thresholds         checks.Thresholds
}

// NewExaminer makes an examiner whose jobs the pool gives out, with so many decoders for the photos of every day. The
// caller closes it.
func NewExaminer(p *storage.Engines, l *Ledger, index *alike.Index, pool *worker.Pool, decoders int) *Examiner {
	x := &Examiner{
		engines: p, ledger: l, alike: index, thresholds: checks.DefaultThresholds, later: pool.Enqueue,
		quick: sandbox.New(sandbox.Limits{Children: max(1, decoders), Time: quickTime, Wall: quickWall}),
		large: sandbox.New(sandbox.Limits{Time: largeTime, Wall: quickWall}),
		slow:  slowDecoder(),
	}
	pool.Handle(examineJob, x.by(x.quick))
	pool.HandleApart(largeJob, x.by(x.large))
	pool.HandleApart(slowJob, x.by(x.slow))
	pool.Handle(recheckJob, x.report)
	return x
}

func slowDecoder() *sandbox.Decoder {
	return sandbox.New(sandbox.Limits{Memory: slowMemory, Time: slowTime, Background: true})
}

// Why a photo was not examined among the others.
var (
	errLarge = errors.New("this photo takes some seconds")
	errSlow  = errors.New("this photo takes long")
)

// by is the job, done by one of the decoders. It may run again after a crash: every batch that it writes has a name
// derived from the photo, and the first of that name counts.
//
// A photo is compared with others only when its own hash is in the log. Of two that are examined at the same moment, on
// whichever servers, the one that is written later is then sure to find the other.
func (x *Examiner) by(with *sandbox.Decoder) worker.Handler {
	return func(ctx context.Context, payload json.RawMessage) error {
		var id string
		if err := json.Unmarshal(payload, &id); err != nil {
			return err
		}
		err := x.examine(ctx, id, with)
		switch {
		case errors.Is(err, errLarge):
			return x.later(ctx, largeJob, id, id)
		case errors.Is(err, errSlow):
			return x.later(ctx, slowJob, id, id)
		}
		return err
	}
}

// Close ends the decoders; no job may be at work.
func (x *Examiner) Close() {
	for _, d := range []*sandbox.Decoder{x.quick, x.large, x.slow} {
		d.Close()
	}
}

func (x *Examiner) examine(ctx context.Context, id string, with *sandbox.Decoder) error {
	photo, err := x.ledger.photo(ctx, id)
	if err != nil || photo == nil || photo.Deleted || !field.PhotoIsStored(photo) {
		return err
	}
	if photo.Fields["facts"] == nil {
		if photo, err = x.record(ctx, photo, with); err != nil || photo == nil {
			return err
		}
	}
	// What changed in the report meanwhile was checked before this photo could be: look again.
	if err := x.recheck(ctx, photo); err != nil {
		return err
	}
	return x.compare(ctx, photo)
}

// record writes what the file says, and the flags of the rules that need nothing else.
func (x *Examiner) record(ctx context.Context, photo *field.Record, with *sandbox.Decoder) (*field.Record, error) {
	seen, args, err := x.look(ctx, photo, with)
	if err != nil {
		return nil, err
	}
	flags, err := x.flags(ctx, photo, seen)
	if err == nil {
		flags, err = x.fresh(ctx, photo, flags)
	}
	if err != nil {
		return nil, err
	}
	if args["perceptual"] != nil {
		args["comparing"] = field.Quote(true)
	}
	ops := []protocol.Operation{{ID: photo.ID, Kind: field.KindPhoto, Base: photo.Version, Command: "analyse", Args: args}}
	if err := x.commit(ctx, "server/examine/", photo, append(ops, flags...)); err != nil {
		return nil, err
	}
	return x.ledger.photo(ctx, string(photo.ID))
}

// mostAlike is how many other photos a flag names.
const mostAlike = 20

// compare raises the flag of a picture that looks like one at another site of the organisations that take part here,
// and notes that the photo was compared: until then its report is not approved.
func (x *Examiner) compare(ctx context.Context, photo *field.Record) error {
	hash := photo.Text("perceptual")
	name, _, ok := alike.Parse(hash)
	if !ok || photo.Deleted {
		return nil
	}
	var seen analysis
	if err := photo.Decode("facts", &seen); err != nil {
		return err
	}
	same, err := x.ledger.sameBytes(ctx, photo)
	if err != nil {
		return err
	}
	except := []field.RecordID{photo.ID}
	for _, p := range same { // has a flag of its own
		except = append(except, p.ID)
	}
	answer, err := x.alike.Near(ctx, alike.Question{
		Visible: among(photo.Info.Orgs), Hash: hash, Turned: seen.Turned, Within: x.thresholds.AlikeReview, Except: except, NotAt: photo.Scope, Name: mostAlike,
	})
	if err != nil {
		return err
	}
	likeness := checks.Likeness{Hash: name, Total: answer.Total}
	for _, f := range answer.Nearest {
		likeness.Nearest = append(likeness.Nearest, checks.Like{Photo: string(f.ID), Distance: f.Distance})
	}
	ops := raise(photo, checks.Alike(likeness, x.thresholds))
	if photo.Fields["comparing"] != nil {
		ops = append(ops, protocol.Operation{ID: photo.ID, Kind: field.KindPhoto, Base: photo.Version, Command: "compared"})
	}
	if len(ops) == 0 {
		return nil
	}
	return x.commit(ctx, "server/alike/", photo, ops)
}

// among shows the sites in which one of the organisations takes part.
func among(orgs []field.OrgID) access.Filter {
	if len(orgs) == 0 {
		return access.Filter{}
	}
	return access.Filter{Any: []access.Clause{{Types: []field.ScopeType{field.ScopeSite}, Orgs: orgs}}}
}

func (x *Examiner) commit(ctx context.Context, device string, photo *field.Record, ops []protocol.Operation) error {
	_, err := x.ledger.engine.Commit(ctx, protocol.Batch{
		Actor: engine.Server, Device: field.DeviceID(device + string(photo.ID)), Number: 1, Scope: photo.Scope, Strict: true, Trusted: true,
		Operations: ops,
	})
	if field.Is(err, field.CodeBatchReused) {
		return nil // written before a crash, or by another server
	}
	return err
}

// look reads the original: what its file says, and what its picture shows.
func (x *Examiner) look(ctx context.Context, photo *field.Record, with *sandbox.Decoder) (analysis, map[string]field.Value, error) {
	file, err := x.fetch(ctx, photo)
	if err != nil {
		return analysis{}, nil, err
	}
	defer file.close()
	args := map[string]field.Value{}
	facts, err := verify.File(file)
	var view view
	if err == nil && strings.HasPrefix(facts.Type, "image/") {
		view, err = x.view(ctx, file, facts, with)
	}
	if err != nil {
		// What is wrong with the file is a fact; what is wrong with us is an error.
		e := field.AsError(err)
		if e.Kind != field.ErrorInvalid && e.Kind != field.ErrorTooLarge && e.Kind != field.ErrorUnsupported {
			return analysis{}, nil, err
		}
		view.missing = e.Sentence()
	}
	seen, err := analyse(photo, facts)
	if err != nil {
		return seen, nil, err
	}
	seen.Unexamined, seen.Turned = view.missing, view.turned
	if err := x.keep(ctx, view, args); err != nil {
		return seen, nil, err
	}
	args["facts"] = field.Quote(seen)
	return seen, args, nil
}

// analysis is what is kept of a photo: what its bytes say, and beside it what the app said. Neither replaces the other.
type analysis struct {
	verify.Facts
	Places     []checks.Place  `json:"places,omitempty"`
	Moments    []checks.Moment `json:"moments,omitempty"`
	Unexamined string          `json:"unexamined,omitempty"` // why its picture could not be examined, or not whole
	Turned     []string        `json:"turned,omitempty"`     // the perceptual hashes of its picture turned and mirrored
}

func analyse(photo *field.Record, f verify.Facts) (analysis, error) {
	s := checks.Stated{TakenLocal: f.TakenLocal, TakenOffset: f.TakenOffset, GPSTime: f.GPSTime}
	if p := f.Position; p != nil {
		s.Position, s.Datum, s.Accuracy, s.Bearing = &checks.Point{Lat: p.Lat, Lon: p.Lon}, p.Datum, p.Accuracy, p.Bearing
	}
	places, err := checks.Places(photo, s)
	return analysis{Facts: f, Places: places, Moments: checks.Moments(photo, s)}, err
}

// original is the bytes of a photo, or the beginning of a recording, for decoders that move about in them.
type original struct {
	io.ReadSeeker
	close func()
}

// fetch opens an original: in its place if that is a file of this machine, otherwise as a temporary copy. Of a
// recording only the type is asked, and only its beginning read.
func (x *Examiner) fetch(ctx context.Context, photo *field.Record) (*original, error) {
	picture, length := strings.HasPrefix(photo.Text("type"), "image/"), int64(-1)
	if !picture {
		length = min(photo.Int("size"), verify.HeadSize)
	}
	body, err := x.engines.Originals.Open(ctx, blob.Sum(photo.Text("sha256")), 0, length)
	if err != nil {
		return nil, err
	}
	if !picture {
		head, err := io.ReadAll(body)
		return &original{bytes.NewReader(head), func() {}}, errors.Join(err, body.Close())
	}
	if here, ok := body.(blob.OnDisk); ok {
		return &original{here.File(), func() { _ = body.Close() }}, nil // it was only read
	}
	return temporary(body)
}

// temporary copies an original to a file. Its name is taken away at once where the system allows that, so that its
// bytes go with its last user, also when that is killed: a photo of a village must not stay behind in a directory that
// others read.
func temporary(body io.ReadCloser) (*original, error) {
	file, err := os.CreateTemp("", "fieldclue-photo-")
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	forget := func() { _ = os.Remove(file.Name()) } // gone already, or the system keeps names of open files
	forget()
	done := func() {
		_ = file.Close() // it was only read
		forget()
	}
	_, err = io.Copy(file, body)
	if err = errors.Join(err, body.Close()); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, err
	}
	return &original{file, done}, nil
}

// view is what the picture of a file shows.
type view struct {
	renditions thumb.Renditions
	hash       string
	turned     []string
	missing    string // why there is nothing, or not all of it
}

// mostMissing is how much of a picture may be missing before it is a matter for people: the last lines of a file that
// was cut off by a few bytes are not.
const mostMissing = 0.05

// view decodes a file. A HEIC comes back upright, as its container says: the orientation of its EXIF data, which
// repeats it, is spent.
func (x *Examiner) view(ctx context.Context, file *original, facts verify.Facts, with *sandbox.Decoder) (v view, err error) {
	switch cost := sandbox.CostOf(facts); {
	case cost == sandbox.Giant && with != x.slow:
		return v, errSlow
	case cost == sandbox.Large && with == x.quick:
		return v, errLarge
	}
	picture, err := with.Decode(ctx, file)
	if with != x.slow && errors.Is(err, sandbox.ErrLimits) {
		return v, errSlow
	}
	if err != nil {
		return v, err
	}
	orientation := facts.Orientation
	if verify.IsHEIC(facts.Type) {
		orientation = 1
	}
	if v.renditions, err = thumb.Make(picture.Image, orientation); err != nil {
		return v, err
	}
	for as := 1; as <= 8; as++ { // as it is, and as EXIF counts the ways to turn it
		hash, err := verify.PerceptualHash(thumb.Turn(v.renditions.Picture, as))
		if err != nil {
			return v, err
		}
		text := hash.Name + ":" + hash.Value
		if as == 1 {
			v.hash = text
		} else {
			v.turned = append(v.turned, text)
		}
	}
	if picture.Done < 1-mostMissing {
		v.missing = fmt.Sprintf("The file is cut off or damaged: %.0f %% of the picture is there.", 100*picture.Done)
	}
	return v, nil
}

// keep puts the renditions aside, and what is known of the picture into the arguments.
func (x *Examiner) keep(ctx context.Context, v view, args map[string]field.Value) error {
	if v.missing != "" {
		args["note"] = field.Quote(v.missing)
	}
	if v.hash == "" {
		return nil
	}
	args["perceptual"] = field.Quote(v.hash)
	for name, b := range map[string][]byte{"small": v.renditions.Small, "large": v.renditions.Large} {
		h := sha256.Sum256(b)
		sum := hex.EncodeToString(h[:])
		if _, err := x.engines.Small.PutIfAbsent(ctx, blob.Sum(sum), int64(len(b)), bytes.NewReader(b)); err != nil {
			return err
		}
		args[name] = field.Quote(sum)
	}
	return nil
}

// flags runs the rules on the photo and makes a flag of each thing that they saw.
func (x *Examiner) flags(ctx context.Context, photo *field.Record, seen analysis) ([]protocol.Operation, error) {
	in, err := x.inputs(ctx, photo, seen)
	if err != nil {
		return nil, err
	}
	return raise(photo, checks.All(in, x.thresholds)), nil
}

// raise makes a flag of each thing that the rules saw. Their ids are random: anyone who took the photo could otherwise
// work them out, and take them before.
func raise(photo *field.Record, flags []checks.Flag) []protocol.Operation {
	var ops []protocol.Operation
	for _, f := range flags {
		ops = append(ops, protocol.Operation{
			ID: field.RandomID(time.Now()), Kind: field.KindFlag, Set: map[string]field.Value{
				"code": field.Quote(f.Code), "rule": field.Quote(f.Rule), "severity": field.Quote(f.Severity), "reportId": photo.Fields["reportId"],
				"targetId": field.Quote(photo.ID), "inputs": field.Quote(f.Inputs), "zh": field.Quote(f.ZH), "en": field.Quote(f.EN),
			},
		})
	}
	return ops
}

// inputs puts together what the rules want to know.
func (x *Examiner) inputs(ctx context.Context, photo *field.Record, seen analysis) (checks.Photo, error) {
	in := checks.Photo{
		Places: seen.Places, Moments: seen.Moments, Picked: photo.Text("capture") == "picked", SkewMS: photo.Int("clockSkewMs"),
		IsStatement: strings.HasPrefix(seen.Type, "audio/") || strings.HasPrefix(seen.Type, "video/"),
		NoPosition:  seen.NoPosition, Problems: seen.Problems, Unexamined: seen.Unexamined,
	}
	if in.Unexamined == "" && photo.Fields["perceptual"] == nil { // as an older server left it
		in.Unexamined = photo.Text("analysisNote")
	}
	if stated, at := photo.Time("takenAt"), photo.Moment("takenAt"); !stated.IsZero() {
		in.ClockWrong = at.Sub(stated)
	}
	related, err := x.engines.Store.Records(ctx, []field.RecordID{field.RecordID(photo.Text("siteId")), field.RecordID(photo.Text("reportId"))})
	if err != nil {
		return in, err
	}
	for _, r := range related {
		switch r.Kind {
		case field.KindSite:
			if in.Site, err = area(r); err != nil {
				return in, err
			}
		case field.KindReport:
			if r.Scope == photo.Scope { // of another site's visit nothing is told here
				in.Start, in.End = r.Moment("startedAt"), r.Moment("endedAt")
				in.StatedStart, in.StatedEnd = r.Time("startedAt"), r.Time("endedAt")
			}
		}
	}
	in.SameCount, in.SameHash, err = x.ledger.same(ctx, photo)
	return in, err
}

// mostSame bounds how many photos with the same bytes are counted.
const mostSame = 200

// same counts the other photos with the same bytes, and names the first. That the bytes are elsewhere is told; where,
// to those who take part there.
func (l *Ledger) same(ctx context.Context, photo *field.Record) (n int, named []string, err error) {
	same, err := l.sameBytes(ctx, photo)
	near := among(photo.Info.Orgs)
	for _, other := range same {
		if len(named) < mostAlike && near.Match(other.Scope, other.Info) {
			named = append(named, string(other.ID))
		}
	}
	return len(same), named, err
}

// sameBytes finds the other photos with the same SHA-256, in other reports or at other sites: as many as are counted.
// Those of the photo's own report fill no bound, however often it is declared there.
func (l *Ledger) sameBytes(ctx context.Context, photo *field.Record) (same []*field.Record, err error) {
	q := store.Query{Visible: access.Everything, Kinds: []field.Kind{field.KindPhoto}, Keys: []string{field.KeyFor("sha256", photo.Text("sha256"))}, Limit: mostSame}
	err = store.EachPage(ctx, l.store, q, func(page []*field.Record) error {
		for _, p := range page {
			elsewhere := p.Scope != photo.Scope || p.Text("reportId") != photo.Text("reportId")
			if p.ID != photo.ID && elsewhere && len(same) < mostSame {
				same = append(same, p)
			}
		}
		return nil
	})
	return same, err
}

// area is where a site is, in WGS-84.
func area(site *field.Record) (checks.Area, error) {
	var a checks.Area
	var outline []field.Fix
	if err := site.Decode("polygon", &outline); err != nil {
		return a, err
	}
	for _, p := range outline {
		a.Outline = append(a.Outline, checks.ToWGS84(checks.Point{Lat: *p.Lat, Lon: *p.Lon}, p.System))
	}
	var center field.Fix
	if err := site.Decode("position", &center); err != nil {
		return a, err
	}
	if center.Lat != nil && center.Lon != nil {
		c := checks.ToWGS84(checks.Point{Lat: *center.Lat, Lon: *center.Lon}, center.System)
		a.Center = &c
		if err := site.Decode("radius", &a.Radius); err != nil {
			return a, err
		}
	}
	return a, nil
}

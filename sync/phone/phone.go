// Package phone is a client of the server in Go: everything that an app does on a phone but its screens. The demo, the
// simulation and the tests share it, and so may any program that writes to the server as an inspector does.
//
// A Phone knows the server by its public HTTP API alone, as docs/sync.md tells it, and keeps all it has in one
// directory, so that it survives the end of its process at any moment. Open opens it; Enrol or SignIn opens a session;
// Write puts what somebody does into the outbox, offline; Sync exchanges with the server, and may fail and be called
// again at any time; Record, Records and Inbox are what a screen shows; Waiting says what has not left the phone yet.
// The example of Phone shows all of it. Open phone.go first; journal.go is how a phone remembers, push.go, pull.go and
// upload.go are what it says to the server, http.go is how. A Client (client.go) is the least of it: requests as
// somebody, and nothing remembered.
//
// What a phone promises. Everything that was written with Write is on disk when Write returns. The operations of one
// Write reach the server in their order, and in one batch as long as they fit; those that wait for photos follow when
// the photos have arrived. A batch that was sent once keeps its number and its bytes until the server has answered it.
// A photo's file is freed only on a receipt that the server's published key has signed for exactly these bytes. When a
// scope is lost or starts afresh, what was written there stays in the outbox and is sent.
//
// Not here: screens, background work, encryption of what is on disk. Time, chance and waiting come from outside.
package phone

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// Device is how a phone names itself to the server.
type Device struct {
	ID       field.DeviceID `json:"id"` // a UUID of version 7 that the phone made
	Name     string         `json:"name"`
	Platform string         `json:"platform"`
}

// Options of a phone. Dir, BaseURL and Device must be set.
type Options struct {
	Dir        string            // everything that the phone remembers; made if missing
	BaseURL    string            // of the server, such as "http://127.0.0.1:8080"
	Device     Device            //
	App        string            // version of the app
	Transport  http.RoundTripper // the link; nil: http.DefaultTransport
	Now        func() time.Time  // the phone's clock, which may be wrong; nil: time.Now
	Seed       uint64            // of the jitter
	Attempts   int               // tries of one request in one turn; 0: 8
	FreeAtOnce bool              // files go with their receipts, where the server is never put back and there are many
	Chunk      int64             // bytes in one PATCH, each with its checksum; 0: all that is left, without one

	// Sleep waits between attempts; nil: until the time has passed or ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Unlock is asked for name and password when the session has ended; nil: the phone fails with ErrSignIn.
	Unlock func() (login, password string)
}

// Phone is one phone. Its methods may be called from one goroutine at a time, Stats excepted.
type Phone struct {
	o       Options
	http    *http.Client
	journal *journal

	mu     sync.Mutex
	st     *state     // guarded by mu
	random *rand.Rand // guarded by mu
}

// Open opens the phone that lives in a directory, or makes it.
func Open(o Options) (*Phone, error) {
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = wait
	}
	if o.Attempts == 0 {
		o.Attempts = 8
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "photos"), 0o700); err != nil {
		return nil, err
	}
	p := &Phone{o: o, http: &http.Client{Transport: o.Transport}, st: newState(), random: rand.New(rand.NewPCG(o.Seed, 1))}
	j, err := openJournal(filepath.Join(o.Dir, "journal"), p.st)
	if err != nil {
		return nil, err
	}
	p.journal = j
	return p, nil
}

// Close ends the phone. Nothing is lost without it.
func (p *Phone) Close() error { return p.journal.close() }

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// note writes an event to the journal and then to the phone's state: durable before visible.
func (p *Phone) note(e event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.journal.append(e); err != nil {
		return err
	}
	p.st.apply(e)
	return nil
}

// Op is one thing that somebody does on the phone: a record made or edited, a command, a photo taken.
type Op struct {
	Scope   field.Scope
	ID      field.RecordID
	Kind    field.Kind
	Set     map[string]any
	Command string
	Args    map[string]any
	File    string           // of a photo: what Keep returned
	After   []field.RecordID // photos whose receipts the operation waits for
}

// Create makes a record, and Edit changes one: both set fields by name or by path.
func Create(scope field.Scope, kind field.Kind, id field.RecordID, set map[string]any) Op {
	return Op{Scope: scope, Kind: kind, ID: id, Set: set}
}

// Edit sets fields of a record that is there. A nil value removes the field.
func Edit(scope field.Scope, kind field.Kind, id field.RecordID, set map[string]any) Op {
	return Create(scope, kind, id, set)
}

// Command takes a step in the life of a record. It is sent after the photos named in after have their receipts.
func Command(scope field.Scope, kind field.Kind, id field.RecordID, name string, args map[string]any, after ...field.RecordID) Op {
	return Op{Scope: scope, Kind: kind, ID: id, Command: name, Args: args, After: after}
}

// Photo declares a photo that Keep has stored, and queues its bytes for upload.
func Photo(scope field.Scope, id field.RecordID, f PhotoFile, set map[string]any) Op {
	all := map[string]any{"sha256": f.SHA256, "size": f.Size, "type": "image/jpeg"}
	for k, v := range set {
		all[k] = v
	}
	return Op{Scope: scope, Kind: field.KindPhoto, ID: id, Set: all, File: f.Path}
}

// Write records operations, offline, as one whole: all of them are on disk when it returns, or none. group names what
// was done; a group that was written before is not written again.
func (p *Phone) Write(group string, ops ...Op) error {
	p.mu.Lock()
	written := p.st.Groups[group]
	g := groupEvent{Name: group}
	var err error
	for i := range ops {
		var q queued
		if q, err = p.st.queue(group, &ops[i]); err != nil {
			break
		}
		g.Ops = append(g.Ops, q)
	}
	p.mu.Unlock()
	if written {
		return nil
	}
	if err != nil {
		return err
	}
	return p.note(event{Group: &g})
}

// Wrote reports whether the group was written.
func (p *Phone) Wrote(group string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.st.Groups[group]
}

// Record gives the latest state of a record that was pulled.
func (p *Phone) Record(id field.RecordID) (protocol.PulledRecord, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.st.Records[id]
	return r, ok
}

// Records lists the pulled records of a kind, by id.
func (p *Phone) Records(kind field.Kind) []protocol.PulledRecord {
	p.mu.Lock()
	defer p.mu.Unlock()
	var rs []protocol.PulledRecord
	for _, r := range p.st.Records {
		if r.Kind == kind {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(a, b protocol.PulledRecord) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return rs
}

// Scopes lists the scopes that the phone holds.
func (p *Phone) Scopes() []field.Scope {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s []field.Scope
	for scope := range p.st.Cursors {
		s = append(s, scope)
	}
	slices.Sort(s)
	return s
}

// Inbox lists the unread notices: returned work first, then the newest.
func (p *Phone) Inbox() []protocol.PulledRecord {
	var in []protocol.PulledRecord
	for _, n := range p.Records(field.KindNotice) {
		if n.State == field.NoticeUnread {
			in = append(in, n)
		}
	}
	rank := func(n protocol.PulledRecord) int {
		var f struct {
			Type string `json:"type"`
		}
		_ = json.Unmarshal(n.Fields, &f) // a notice without a type is like any other
		if f.Type == "returned" {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(in, func(a, b protocol.PulledRecord) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(b.CreatedAt, a.CreatedAt)
	})
	return in
}

// Written lists the records that were written on this phone as they should now stand on the server, in the order in
// which they were made.
func (p *Phone) Written() []Written {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Written, 0, len(p.st.Order))
	for _, id := range p.st.Order {
		w := *p.st.Written[id]
		out = append(out, w)
	}
	return out
}

// User is the id of who is signed in; empty: nobody.
func (p *Phone) User() field.UserID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.st.Session.User
}

// Waiting counts what the phone still has to send: operations and files of photos.
func (p *Phone) Waiting() (operations, photos int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	operations = len(p.st.Queue)
	for _, s := range p.st.Sealed {
		operations += s.Operations
	}
	for _, ph := range p.st.Photos {
		if ph.Receipt == nil {
			photos++
		}
	}
	return operations, photos
}

// Stats says what the phone has written and sent so far. It survives the process, but for the bytes of a request that
// was on its way.
func (p *Phone) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.st.Stats
	s.Written = map[field.Kind]int{}
	for _, w := range p.st.Written {
		if w.Made {
			s.Written[w.Kind]++
		}
	}
	s.Problems = slices.Clone(p.st.Problems)
	for _, ph := range p.st.Photos {
		if ph.Receipt != nil {
			s.Receipts++
		}
	}
	return s
}

// Stats of a phone.
type Stats struct {
	Written      map[field.Kind]int `json:"-"`            // records made, by kind
	Operations   int                `json:"operations"`   // written
	Acknowledged int                `json:"acknowledged"` // answered as applied or merged
	Batches      int                `json:"batches"`      // answered
	Replayed     int                `json:"replayed"`     // answered a second time: the first answer was lost
	BytesSent    int64              `json:"bytesSent"`    // bodies, as far as the link took them
	BytesResent  int64              `json:"bytesResent"`  // of these, what the server had to be given again
	Retries      int                `json:"retries"`
	Receipts     int                `json:"-"`
	Problems     []Problem          `json:"-"` // what was not applied
}

// Problem is an operation that was answered as a conflict or rejected; the server keeps it as a visible record.
type Problem struct {
	ID      field.RecordID   `json:"id"`
	Kind    field.Kind       `json:"kind"`
	Command string           `json:"command,omitempty"`
	Outcome protocol.Outcome `json:"outcome"`
}

func (p Problem) String() string {
	return fmt.Sprintf("%s %s %s: %s %s", p.Kind, p.ID, p.Command, p.Outcome.Outcome, p.Outcome.Code)
}

package upkeep

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/intake"
	"fieldclue/server/accounts"
	"fieldclue/server/evidence"
	"fieldclue/server/field"
	"fieldclue/server/storage"
	"fieldclue/server/store"
	"fieldclue/sync/anchor"
	"fieldclue/sync/engine"
	"fieldclue/sync/exactjson"
)

// Working documents are in no log. What they say is compared here with what the log says as well; what helps is that it
// is made anew, or that what rests on it begins again.

// founding is what the log says of the set-up.
type founding struct {
	org    field.OrgID
	person field.RecordID
}

// setupDevice is the name under which the first organisation and its administrator are written.
const setupDevice = "server/setup"

func (f *founding) see(r *field.Record) {
	switch {
	case r.Device != setupDevice:
	case r.Kind == field.KindOrg:
		f.org = field.OrgID(r.Scope.ID())
	case r.Kind == field.KindPerson:
		f.person = r.ID
	}
}

// over reports whether the log has the first organisation and its administrator.
func (f *founding) over() bool { return f.org != "" && f.person != "" }

// setupState is the document of the set-up, as server/accounts keeps it.
type setupState struct {
	Hash   string         `json:"hash"`
	Person field.RecordID `json:"person"`
	Begun  time.Time      `json:"begun,omitzero"`
	Done   bool           `json:"done,omitempty"`
	Org    field.OrgID    `json:"org,omitempty"`
}

const (
	setupDoc = "setup"
	tokenDoc = "access-token"
)

// examined looks whether a photo that was not examined yet will be.
func (r *Report) examined(ctx context.Context, p *storage.Engines, photo *field.Record) error {
	lost, err := evidence.Unexamined(ctx, p.Store, photo)
	if err == nil && lost {
		err = engine.Helped{Err: errors.New("it was not examined, and no job is there to do it"), Help: store.HelpRebuild}
	}
	return err
}

// shelves compares the working documents with the log. What belongs to people, accounts, devices and sessions, is
// compared by server/accounts, which keeps it.
func (r *Report) shelves(ctx context.Context, p *storage.Engines, said *anchor.Witness) error {
	for _, shelf := range []store.Shelf{store.Jobs, store.Cursors, store.Uploads} {
		err := storage.EachDoc(ctx, p.Store, shelf, func(doc store.Doc) error {
			what, err := strange(ctx, p.Store, doc, r.At)
			if err == nil && what != "" {
				r.Fault(store.HelpRebuild, "%s %s: %s", shelf, doc.ID, what)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return r.ownKeys(ctx, p, said)
}

// strange says what is wrong with a working document; empty: nothing.
func strange(ctx context.Context, s storage.Store, doc store.Doc, now time.Time) (string, error) {
	if odd(doc) {
		return "it is not as this program writes it", nil
	}
	switch doc.Shelf {
	case store.Jobs:
		return evidence.WrongJob(doc, now), nil
	case store.Uploads:
		return wrongUpload(doc, now), nil
	case store.Cursors:
		return wrongCursor(ctx, s, doc)
	}
	return "", nil
}

// odd reports whether a document has a body, a key or a date that nothing of this program gives it.
func odd(doc store.Doc) bool {
	var b bytes.Buffer
	if json.Compact(&b, doc.Body) != nil || !bytes.Equal(b.Bytes(), doc.Body) {
		return true
	}
	unsorted := doc.Shelf == store.Keys || doc.Shelf == store.Cursors
	return doc.ID == "" || unsorted && (doc.Key != "" || !doc.Due.IsZero())
}

// strictly reads a document that may have no members but those of v, each once.
func strictly(doc store.Doc, v any) bool { return exactjson.Exact(doc.Body, v) == nil }

// longest is more than half an upload is kept.
const longest = 100 * 24 * time.Hour

func wrongUpload(doc store.Doc, now time.Time) string {
	var u struct {
		PhotoID      string
		SHA256       string
		Size, Offset int64
		By           intake.Uploader
		Ended        bool
	}
	if err := json.Unmarshal(doc.Body, &u); err != nil {
		return "it cannot be read"
	}
	if _, err := blob.ParseSum(u.SHA256); err != nil || u.PhotoID == "" || doc.Key != intake.KeyFor(u.By.User, u.Ended) && doc.Key != u.PhotoID || !strings.HasPrefix(doc.ID, u.PhotoID+"_") || u.Offset < 0 || u.Offset > u.Size {
		return "it is no state of an upload"
	}
	if doc.Due.IsZero() || doc.Due.After(now.Add(longest)) {
		return "it is kept until " + doc.Due.Format(time.RFC3339)
	}
	return ""
}

// wrongCursor finds cursors behind which nobody would read what was never read.
func wrongCursor(ctx context.Context, s storage.Store, doc store.Doc) (string, error) {
	if doc.ID == anchorDoc { // what it says is compared with the statements, see hear
		if !strictly(doc, &anchored{}) {
			return "it does not say which statement is the newest", nil
		}
		return "", nil
	}
	if strings.HasPrefix(doc.ID, "fork/") { // a sign of caution: see sync/engine/fork.go
		if !strictly(doc, &map[field.Scope]int64{}) {
			return "it does not say up to where a device has forked", nil
		}
		return "", nil
	}
	name, scope, ok := strings.Cut(doc.ID, "@")
	var at struct {
		Seq int64 `json:"seq"`
	}
	if !strictly(doc, &at) || !ok || name == "" || at.Seq < 0 {
		return "it is no cursor", nil
	}
	head, err := s.Head(ctx, field.Scope(scope))
	switch {
	case field.Is(err, field.CodeNotFound):
		return "it is of a scope that has no log", nil
	case err != nil:
		return "", err
	case at.Seq > head.Seq:
		return fmt.Sprintf("%s would go on behind entry %d, and the log ends at %d", name, at.Seq, head.Seq), nil
	}
	return "", nil
}

// ownKeys compares the server's own keys with what the newest statement says of them, and the set-up with the log.
func (r *Report) ownKeys(ctx context.Context, p *storage.Engines, said *anchor.Witness) error {
	there := map[string]bool{}
	err := storage.EachDoc(ctx, p.Store, store.Keys, func(doc store.Doc) error {
		there[doc.ID] = true
		if odd(doc) {
			r.Fault(helpKeys, "keys %s: it is not as this program writes it", doc.ID)
		}
		switch doc.ID {
		case serverKey:
			r.serverKey(ctx, p, said)
		case tokenDoc, accounts.CodeSeedDoc, accounts.UpgradeDoc:
			if what := whyNotOwn(doc); what != "" {
				r.Fault("fieldclue rebuild removes it, and the server makes another when it needs it", "keys %s: %s", doc.ID, what)
			}
		case setupDoc:
			if what := r.found.wrong(doc); what != "" {
				r.Fault("repeat the set-up if it was cut off just now; otherwise "+store.HelpRebuild, "keys %s: %s", doc.ID, what)
			}
		default:
			r.Fault("look at it and remove it", "keys %s: this program did not make it", doc.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !there[setupDoc] && r.found.over() {
		r.Fault(store.HelpRebuild, "keys %s: it is missing, so that another first administrator could be made", setupDoc)
	}
	if !there[serverKey] && r.Entries > 0 { // made at the first start, before anything is written
		r.Fault(helpKeys, "keys %s: the key that signs receipts and statements is missing", serverKey)
	}
	return nil
}

// whyNotOwn says why a document of the server that it can make again is not as it writes it; empty: it is.
func whyNotOwn(doc store.Doc) string {
	switch doc.ID {
	case tokenDoc:
		var key struct {
			Seed  []byte          `json:"seed"`
			Made  json.RawMessage `json:"made"`
			Older json.RawMessage `json:"older"`
		}
		if !strictly(doc, &key) || len(key.Seed) != ed25519.SeedSize {
			return "it is no key"
		}
	case accounts.CodeSeedDoc:
		var code struct {
			Seed []byte `json:"seed"`
		}
		if !strictly(doc, &code) || len(code.Seed) != sha256.Size {
			return "it is no seed of one-time codes"
		}
	case accounts.UpgradeDoc:
		if !strictly(doc, &struct{}{}) {
			return "it says more than this program writes"
		}
	}
	return ""
}

// wrong says in what the document of the set-up is not what the log says; empty: in nothing.
func (f *founding) wrong(doc store.Doc) string {
	var b setupState
	switch {
	case !strictly(doc, &b):
		return "it cannot be read"
	case !f.over():
		return ""
	case !b.Done:
		return "the set-up is open, and the log says that it is over: another first administrator could be made"
	case b.Org != f.org, b.Person != f.person:
		return fmt.Sprintf("it says that %s and %s were the first, and the log says %s and %s", b.Org, b.Person, f.org, f.person)
	}
	return ""
}

func (r *Report) serverKey(ctx context.Context, p *storage.Engines, said *anchor.Witness) {
	key, doc, err := storedKey(ctx, p.Store)
	if err != nil {
		r.Fault(helpKeys, "keys %s: %v", serverKey, err)
		return
	}
	if !strictly(doc, &keyBody{}) {
		r.Fault(helpKeys, "keys %s: it says more than this program writes", serverKey)
	}
	digest, at := said.Keys()
	if digest == "" || digest == digestOf(key.ring().Keys) || digest == digestOf(key.keys()) { // the last as an older program published them
		return
	}
	if key.From.After(at) {
		r.Remarks = append(r.Remarks, fmt.Sprintf("the server's key was changed on %s, and no statement was kept since: run fieldclue anchor if that was you", key.From.Format(time.RFC3339)))
		return
	}
	r.Fault(helpKeys, "keys %s: the keys, or what is said of them, are not those of the signed statement of %s", serverKey, at.Format(time.RFC3339))
}

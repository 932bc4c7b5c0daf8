package engine

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// What is refused and says a number of a person is kept for its author alone. The record in the author's scope that
// keeps it, which reviewers read too, has the numbers masked; the operation as it came is in that scope's log, sealed
// with a key of its own, and the key lies on a shelf beside the log. To destroy the key is to destroy what was said,
// and every hash of the log still holds. See docs/decisions/identity.md.

// SealKeys is the shelf with the keys of what is sealed. The contract stands at store.Doc.
type SealKeys interface {
	GetDoc(ctx context.Context, shelf store.Shelf, id string) (store.Doc, error)
	PutDoc(ctx context.Context, d store.Doc) (store.Doc, error)
	DeleteDoc(ctx context.Context, shelf store.Shelf, id string, version int64) error
}

// sealKey is the document with the key of one sealed operation; its id is that of the parked record.
type sealKey struct {
	Key []byte    `json:"key"`
	At  time.Time `json:"at"`
}

// spoken refuses an operation that says a number of a person. What the server itself puts together is made of what was
// taken before.
func (s *step) spoken(spec *field.Spec, op *protocol.Operation) error {
	if s.b.in.Actor.Server && s.b.in.Actor.User == "" { // the set-up writes what a person says
		return nil
	}
	args := op.Args
	if cmd := spec.Command(op.Command); cmd != nil && cmd.Server && s.b.in.Trusted { // in somebody's name, who says the plain texts of it
		args = map[string]field.Value{}
		for i := range cmd.Args {
			if a := &cmd.Args[i]; a.Type == field.Text && op.Args[a.Name] != nil {
				args[a.Name] = op.Args[a.Name]
			}
		}
	}
	return spec.Spoken(op.Set, op.Command, args)
}

// seals reports whether an operation says a number of a person anywhere, or sets what was moved away from where others
// read it: whatever it was refused for, it is not kept there.
func (b *batch) seals(op *protocol.Operation) bool {
	if b.in.Actor.User == "" {
		return false
	}
	if b.e.kindOf(op.Kind).Moved(op.Set) {
		return true
	}
	for _, s := range []string{string(op.ID), string(op.Kind), op.Command} {
		if field.HasIdentity(s) {
			return true
		}
	}
	return b.e.kindOf(op.Kind).Identity(op.Set, op.Command, op.Args) != "" || op.Unknown != nil && field.IdentityIn(op.Unknown)
}

// maskedCopy is what reviewers read of a sealed operation. What was moved away, and a number that stands cut in a list,
// are left out whole.
func (b *batch) maskedCopy(op protocol.Operation, raw []byte) ([]byte, error) {
	spec := b.e.kindOf(op.Kind)
	hidden := false
	hide := func(values map[string]field.Value, says func(one map[string]field.Value) bool) map[string]field.Value {
		out := make(map[string]field.Value, len(values))
		for name, v := range values {
			if says(map[string]field.Value{field.MaskIdentity(name): field.MaskedValue(v)}) {
				v, hidden = field.Quote("▪"), true
			}
			out[name] = v
		}
		return out
	}
	op.Set = hide(op.Set, func(one map[string]field.Value) bool { return spec.Moved(one) || spec.Identity(one, "", nil) != "" })
	op.Args = hide(op.Args, func(one map[string]field.Value) bool { return spec.Identity(nil, op.Command, one) != "" })
	if !hidden {
		return field.MaskedValue(raw), nil
	}
	raw, err := json.Marshal(op) // of one with members that are not known, what is known
	if err != nil {
		return nil, fmt.Errorf("masking an operation: %w", err)
	}
	return field.MaskedValue(raw), nil
}

// bared is a refused operation as it stands in the log of the scope that it was sent to: what it was about, and not
// what it said.
func bared(op protocol.Operation) protocol.Operation {
	return protocol.Operation{
		ID: field.RecordID(field.MaskIdentity(string(op.ID))), Kind: field.Kind(field.MaskIdentity(string(op.Kind))), Base: op.Base,
		Command: field.MaskIdentity(op.Command),
	}
}

// sealUp encrypts an operation for its author and says how the batch keeps it.
func (s *step) sealUp(id field.RecordID, raw []byte) error {
	key := make([]byte, 32)
	nonce := make([]byte, 12)
	_, _ = rand.Read(key) // never fails: crypto/rand aborts the program instead
	_, _ = rand.Read(nonce)
	aead, err := sealWith(key)
	if err != nil {
		return err
	}
	s.sealed = append(s.sealed, protocol.Sealed{ID: id, Nonce: nonce, Text: aead.Seal(nil, nonce, raw, []byte(id))})
	s.b.keys = append(s.b.keys, store.Doc{
		Shelf: store.Sealed, ID: string(id), Key: string(s.b.in.Actor.User), Body: field.Quote(sealKey{Key: key, At: s.b.at}),
	})
	return nil
}

func sealWith(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("the key of a sealed operation: %w", err)
	}
	return cipher.NewGCM(block)
}

// putKeys writes the keys of what decisions seal, before the entries that need them: a key without an entry opens
// nothing, an entry without its key would be lost. Nothing else is written before a commit.
func (e *Engine) putKeys(ctx context.Context, decisions []*decision) ([]store.Doc, error) {
	var put []store.Doc
	for _, d := range decisions {
		for _, doc := range d.keys {
			stored, err := e.store.PutDoc(ctx, doc)
			if err != nil {
				e.dropKeys(ctx, put)
				return nil, err
			}
			put = append(put, stored)
		}
	}
	return put, nil
}

// dropKeys takes keys back whose entries were certainly not written.
func (e *Engine) dropKeys(ctx context.Context, put []store.Doc) {
	for _, doc := range put {
		if err := e.store.DeleteDoc(ctx, doc.Shelf, doc.ID, doc.Version); err != nil {
			e.log.Warn("a key that opens nothing stays", "record", doc.ID, "error", err)
		}
	}
}

// Content is what somebody said that was refused and sealed: for the author alone, and each look is noted in the log
// before anything is shown. CodeNotFound for who may not know of it, CodeNotPermitted for who may see the mask alone,
// CodeContentDestroyed when it is gone.
func (e *Engine) Content(ctx context.Context, actor *access.Actor, id field.RecordID) (json.RawMessage, error) {
	for try := 1; ; try++ {
		r, err := e.sealedRecord(ctx, actor, id)
		if err != nil {
			return nil, err
		}
		content, err := unseal(ctx, e.store, r)
		if err != nil {
			return nil, err
		}
		_, err = e.Commit(ctx, protocol.Batch{
			Actor: actor, Device: field.DeviceID("read/" + string(r.ID) + "/" + string(actor.Device)), Number: r.Version, Scope: r.Scope, Strict: true, Trusted: true,
			Operations: []protocol.Operation{{ID: r.ID, Kind: keptKind, Base: r.Version, Command: "read"}},
		})
		if field.Is(err, field.CodeStale) && try < maxTries || field.Is(err, field.CodeBatchReused) && try < maxTries {
			continue // somebody else did something to it meanwhile
		}
		return content, err
	}
}

// sealedRecord loads the parked record of something sealed that the actor wrote.
func (e *Engine) sealedRecord(ctx context.Context, actor *access.Actor, id field.RecordID) (*field.Record, error) {
	records, err := e.store.Records(ctx, []field.RecordID{id})
	switch {
	case err != nil:
		return nil, err
	case len(records) == 0 || records[0].Kind != keptKind || !access.Quarantine(actor).Shows(access.Of(records[0])):
		return nil, field.Refuse(field.CodeNotFound, "")
	case records[0].Text("author") != string(actor.User):
		return nil, field.Refuse(field.CodeNotPermitted, "Only who wrote it may read it.").InChinese("只有填写人本人可以阅读。")
	case !field.IsSealed(records[0]):
		return nil, field.Refuse(field.CodeNotNow, "Nothing of it is sealed: the operation stands in the record.").
			InChinese("其中没有封存的内容，该操作就在记录中。")
	}
	return records[0], nil
}

// Opens checks that what a sealed record stands for can be read by who wrote it, as long as it is not destroyed; then
// no key may be left.
func Opens(ctx context.Context, s Store, r *field.Record) error {
	if r.State != field.ParkedDestroyed {
		_, err := unseal(ctx, s, r)
		return err
	}
	_, err := s.GetDoc(ctx, store.Sealed, string(r.ID))
	if err == nil {
		return errors.New("it is destroyed, and its key is still there: a server that runs deletes it")
	}
	return notFoundIsDone(err)
}

// unseal reads the entry that holds the content and opens it.
func unseal(ctx context.Context, s Store, r *field.Record) (json.RawMessage, error) {
	gone := field.Refuse(field.CodeContentDestroyed, "")
	if r.State == field.ParkedDestroyed {
		return nil, gone
	}
	doc, err := s.GetDoc(ctx, store.Sealed, string(r.ID))
	if field.Is(err, field.CodeNotFound) {
		return nil, gone
	}
	if err != nil {
		return nil, err
	}
	var k sealKey
	if err := json.Unmarshal(doc.Body, &k); err != nil {
		return nil, fmt.Errorf("the key of %s is damaged: %w", r.ID, err)
	}
	entry, err := s.Entry(ctx, r.Scope, r.Stamps["operation"].Seq)
	if err != nil {
		return nil, err
	}
	body, err := protocol.Open(entry)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(body.Sealed, func(x protocol.Sealed) bool { return x.ID == r.ID })
	if i < 0 {
		return nil, fmt.Errorf("entry %s %d does not hold the content of %s", r.Scope, entry.Seq, r.ID)
	}
	aead, err := sealWith(k.Key)
	if err != nil {
		return nil, err
	}
	if len(body.Sealed[i].Nonce) != aead.NonceSize() {
		return nil, fmt.Errorf("the content of %s is damaged", r.ID)
	}
	content, err := aead.Open(nil, body.Sealed[i].Nonce, body.Sealed[i].Text, []byte(r.ID))
	if err != nil {
		return nil, fmt.Errorf("the content of %s does not open with its key: %w", r.ID, err)
	}
	return content, nil
}

// Shred destroys the key of something sealed whose record says that it is destroyed. Repeating it changes nothing.
func (e *Engine) Shred(ctx context.Context, id field.RecordID) error {
	for {
		doc, err := e.store.GetDoc(ctx, store.Sealed, string(id))
		if field.Is(err, field.CodeNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		err = e.store.DeleteDoc(ctx, doc.Shelf, doc.ID, doc.Version)
		if err == nil || !field.Is(err, field.CodeStale) {
			return notFoundIsDone(err)
		}
	}
}

func notFoundIsDone(err error) error {
	if field.Is(err, field.CodeNotFound) {
		return nil
	}
	return err
}

// Shredder follows the logs of people and destroys the keys of what was said to be destroyed, should the server have
// stopped between the two.
type Shredder struct{ Engine *Engine }

// Name is under which name its place in the log is kept.
func (Shredder) Name() string { return "shredder" }

// Types says which scopes it follows.
func (Shredder) Types() []field.ScopeType { return []field.ScopeType{field.ScopeUser} }

// Entry destroys the keys of what an entry says is destroyed.
func (s Shredder) Entry(ctx context.Context, e store.Entry) error {
	body, err := protocol.Open(e)
	if err != nil {
		return err
	}
	for _, c := range body.Changes {
		if c.State == field.ParkedDestroyed {
			err = errors.Join(err, s.Engine.Shred(ctx, c.ID))
		}
	}
	return err
}

// mostNumbers are named of what Verify finds of old numbers.
const mostNumbers = 20

// number notes that an entry of an older server holds a number of a person. The log is never rewritten: somebody has to
// know where it lies, and who reads there.
func (v *Verification) number(image map[field.RecordID]*field.Record, body *protocol.Body) {
	if !says(image, body) {
		return
	}
	if v.Numbers++; len(v.NumbersIn) < mostNumbers {
		v.NumbersIn = append(v.NumbersIn, fmt.Sprintf("%s entry %d", body.Scope, body.Seq))
	}
}

// says looks through what people wrote: operations as they came, and the values of fields that are not the server's
// own.
func says(image map[field.RecordID]*field.Record, body *protocol.Body) bool {
	for i := range body.Ops {
		op := &body.Ops[i]
		spec := field.KindOf(op.Kind)
		if spec == nil || spec.Command(op.Command) == nil || !spec.Command(op.Command).Server {
			if spec.Identity(nil, op.Command, op.Args) != "" || wrote(spec, op.Set) {
				return true
			}
		}
	}
	for _, c := range body.Changes {
		if r := image[c.ID]; r != nil && c.Op == 0 && wrote(field.KindOf(r.Kind), c.Set) {
			return true
		}
	}
	return false
}

// wrote looks at the values of fields that are not the server's own, and at those in which it keeps what somebody sent.
func wrote(spec *field.Spec, set map[string]field.Value) bool {
	for path, v := range set {
		f := spec.Named(path)
		kept := spec == field.KindOf(keptKind) && path == "operation" || spec == field.KindOf(conflictKind) && path == "offered"
		if (f == nil || !f.Server || kept) && spec.Identity(map[string]field.Value{path: v}, "", nil) != "" {
			return true
		}
	}
	return false
}

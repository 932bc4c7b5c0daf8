package accounts

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// logged gives a record back if the log says what it says, and nil if it does not: an account, a device, a code or a
// person that somebody has put or changed among the records by hand, past the log, lets nobody in. It looks at the
// entries that the record names as those of its values, and at nothing else: whether these are a chain is for verify.
// An entry is written by hand, too, but then it stands in the log, where auditors read it.
func (a *Accounts) logged(ctx context.Context, r *field.Record) (*field.Record, error) {
	if r == nil {
		return nil, nil
	}
	says := map[int64]bool{r.Version: true}
	for _, s := range r.Stamps {
		says[s.Seq] = true
	}
	var image *field.Record
	for _, seq := range slices.Sorted(maps.Keys(says)) {
		entry, err := a.records.Entry(ctx, r.Scope, seq)
		if field.Is(err, field.CodeNotFound) {
			break // and something is missing of the image
		}
		if err != nil {
			return nil, err
		}
		body, err := protocol.Open(entry)
		if err != nil {
			return nil, err
		}
		for _, c := range body.Changes {
			if c.ID == r.ID && (image != nil || c.Kind != "") {
				image = protocol.Apply(&body, c, entry.At, image, r.Info)
			}
		}
	}
	if image == nil || image.Kind != r.Kind || image.State != r.State || image.Deleted != r.Deleted ||
		!maps.EqualFunc(image.Fields, r.Fields, sameValue) {
		a.contradictions.Add(1)
		a.log.ErrorContext(ctx, "a record does not say what the log says; nobody signs in by it until it is rebuilt",
			"record", r.ID, "kind", r.Kind)
		return nil, nil
	}
	return r, nil
}

// onRecord reports whether the log says what a person's record says, the roles above all.
func (a *Accounts) onRecord(ctx context.Context, user field.UserID) (bool, error) {
	r, err := a.find(ctx, field.KindPerson, field.RecordID(user))
	if err != nil {
		return false, err
	}
	r, err = a.logged(ctx, r)
	return r != nil, err
}

func sameValue(a, b field.Value) bool { return bytes.Equal(a, b) }

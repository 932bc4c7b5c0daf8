package workflow

import (
	"context"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// RecordView is a record of any kind as a screen shows it, with what the reader may do to it.
type RecordView struct {
	Record protocol.PulledRecord `json:"record"`
	May    []string              `json:"may"` // verbs; the guard of a command may still refuse its arguments
}

// RecordPage gives a record with what the reader may do to it now.
func (f *Flow) RecordPage(ctx context.Context, who *access.Actor, id field.RecordID) (*RecordView, error) {
	r, err := f.read(ctx, who, "", id)
	if err != nil {
		return nil, err
	}
	may, err := f.commit.Could(ctx, who, r)
	if err != nil {
		return nil, err
	}
	return &RecordView{Record: protocol.FromRecord(r), May: may}, nil
}

// NamedRecord is a record in short, with its kind, so that a screen finds it.
type NamedRecord struct {
	Kind field.Kind `json:"kind"`
	Name string     `json:"name,omitempty"` // empty for kinds without one
}

// MostNames is how many records may be named at once.
const MostNames = 50

// Names gives what records are called, as far as the reader may see them; others are left out.
func (f *Flow) Names(ctx context.Context, who *access.Actor, ids []field.RecordID) (map[field.RecordID]NamedRecord, error) {
	found, err := f.readMany(ctx, who, distinct(ids))
	if err != nil {
		return nil, err
	}
	names := make(map[field.RecordID]NamedRecord, len(found))
	for id, r := range found {
		names[id] = NamedRecord{Kind: r.Kind, Name: label(r)}
	}
	return names, nil
}

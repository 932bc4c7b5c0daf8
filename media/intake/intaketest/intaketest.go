// Package intaketest stands in for the store and the log in tests of uploads.
package intaketest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"sort"
	"sync"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/intake"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Docs is the shelf of uploads in memory, by the contract of store.Doc.
type Docs struct {
	mu   sync.Mutex // guards All
	All  map[string]store.Doc
	Fail func() error // asked before every write; nil: nothing fails
}

func (s *Docs) lock() (func(), error) {
	s.mu.Lock()
	if s.Fail != nil {
		if err := s.Fail(); err != nil {
			s.mu.Unlock()
			return nil, err
		}
	}
	return s.mu.Unlock, nil
}

// NewDocs is an empty shelf.
func NewDocs() *Docs { return &Docs{All: map[string]store.Doc{}} }

// GetDoc follows intake.Docs.
func (s *Docs) GetDoc(_ context.Context, _ store.Shelf, id string) (store.Doc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.All[id]
	if !ok {
		return d, field.Refuse(field.CodeNotFound, "")
	}
	return d, nil
}

// PutDoc follows intake.Docs.
func (s *Docs) PutDoc(_ context.Context, d store.Doc) (store.Doc, error) {
	unlock, err := s.lock()
	if err != nil {
		return store.Doc{}, err
	}
	defer unlock()
	if s.All[d.ID].Version != d.Version {
		return store.Doc{}, field.Refuse(field.CodeStale, "")
	}
	d.Version++
	s.All[d.ID] = d
	return d, nil
}

// DeleteDoc follows intake.Docs.
func (s *Docs) DeleteDoc(_ context.Context, _ store.Shelf, id string, version int64) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	d, ok := s.All[id]
	if !ok {
		return field.Refuse(field.CodeNotFound, "")
	}
	if d.Version != version {
		return field.Refuse(field.CodeStale, "")
	}
	delete(s.All, id)
	return nil
}

// Docs follows intake.Docs.
func (s *Docs) Docs(_ context.Context, _ store.Shelf, after string, limit int) ([]store.Doc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var page []store.Doc
	for _, id := range slices.Sorted(maps.Keys(s.All)) {
		if id > after && len(page) < limit {
			page = append(page, s.All[id])
		}
	}
	return page, nil
}

// DocsByKey follows intake.Docs.
func (s *Docs) DocsByKey(_ context.Context, _ store.Shelf, key, after string, limit int) ([]store.Doc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var page []store.Doc
	for _, id := range slices.Sorted(maps.Keys(s.All)) {
		if d := s.All[id]; d.Key == key && id > after && len(page) < limit {
			page = append(page, d)
		}
	}
	return page, nil
}

// DocsDue follows intake.Docs.
func (s *Docs) DocsDue(_ context.Context, _ store.Shelf, before time.Time, limit int) ([]store.Doc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []store.Doc
	for _, d := range s.All {
		if !d.Due.IsZero() && !d.Due.After(before) {
			due = append(due, d)
		}
	}
	sort.Slice(due, func(i, j int) bool { return due[i].Due.Before(due[j].Due) || due[i].ID < due[j].ID })
	return due[:min(limit, len(due))], nil
}

// Ledger knows the photos of one person as the log would.
type Ledger struct {
	mu     sync.Mutex // guards the rest
	owner  string
	Photos map[string]intake.Declared
	Stored map[string]intake.StoredPhoto
	Calls  int          // of PhotoStored
	Fail   func() error // asked before PhotoStored; nil: nothing fails
	Full   error        // what Room answers
	Lacks  bool         // the sender may read no photo with the bytes of another
}

// NewLedger knows no photo yet; only owner may upload.
func NewLedger(owner string) *Ledger {
	return &Ledger{owner: owner, Photos: map[string]intake.Declared{}, Stored: map[string]intake.StoredPhoto{}}
}

// Declare adds a photo with these bytes and gives the request to upload it.
func (l *Ledger) Declare(id string, b []byte, mediaType string) intake.Request {
	h := sha256.Sum256(b)
	d := intake.Declared{PhotoID: id, Sum: blob.Sum(hex.EncodeToString(h[:])), Size: int64(len(b)), Type: mediaType}
	l.mu.Lock()
	l.Photos[id] = d
	l.mu.Unlock()
	return intake.Request{PhotoID: id, Sum: d.Sum, Size: d.Size, Type: mediaType}
}

// DeclaredPhoto follows intake.Ledger.
func (l *Ledger) DeclaredPhoto(_ context.Context, who intake.Uploader, id string) (intake.Declared, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.Photos[id]
	if !ok || who.User != l.owner {
		return d, field.Refuse(field.CodePhotoNotDeclared, "")
	}
	return d, nil
}

// Has follows intake.Ledger.
func (l *Ledger) Has(context.Context, intake.Uploader, intake.Declared) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.Lacks, nil
}

// Room follows intake.Ledger.
func (l *Ledger) Room(context.Context, intake.Declared) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Full
}

// PhotoStored follows intake.Ledger.
func (l *Ledger) PhotoStored(_ context.Context, p intake.StoredPhoto) (json.RawMessage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Fail != nil {
		if err := l.Fail(); err != nil {
			return nil, err
		}
	}
	l.Calls++
	if old, ok := l.Stored[p.PhotoID]; ok {
		return old.Receipt, nil
	}
	l.Stored[p.PhotoID] = p
	d := l.Photos[p.PhotoID]
	d.Stored, d.Receipt = true, p.Receipt
	l.Photos[p.PhotoID] = d
	return p.Receipt, nil
}

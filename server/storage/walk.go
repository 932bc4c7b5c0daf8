package storage

import (
	"context"
	"math"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Docs is what EachDoc asks of a store.
type Docs interface {
	Docs(ctx context.Context, shelf store.Shelf, after string, limit int) ([]store.Doc, error)
}

// EachDoc calls do with every document of a shelf, in the order of their ids, until it returns an error.
func EachDoc(ctx context.Context, s Docs, shelf store.Shelf, do func(store.Doc) error) error {
	for after := ""; ; {
		page, err := s.Docs(ctx, shelf, after, 500)
		if err != nil {
			return err
		}
		for _, doc := range page {
			after = doc.ID
			if err := do(doc); err != nil {
				return err
			}
		}
		if len(page) < 500 {
			return nil
		}
	}
}

// Heads is what EachHead asks of a store.
type Heads interface {
	Heads(ctx context.Context, q store.ListScopes) ([]store.Head, error)
}

// EachHead calls do with the head of every log, in the order of the scopes, until it returns an error.
func EachHead(ctx context.Context, s Heads, do func(store.Head) error) error {
	q := store.ListScopes{Visible: access.Everything, Limit: 1000}
	for {
		page, err := s.Heads(ctx, q)
		if err != nil {
			return err
		}
		for _, h := range page {
			if err := do(h); err != nil {
				return err
			}
			q.After = h.Scope
		}
		if len(page) < q.Limit {
			return nil
		}
	}
}

// EachRecord calls do with every record of a scope, in the order of their versions, until it returns an error.
func EachRecord(ctx context.Context, s Store, scope field.Scope, do func(*field.Record) error) error {
	const page = 500
	for after := int64(0); ; {
		records, err := s.Changed(ctx, scope, after, math.MaxInt64, page)
		if err != nil {
			return err
		}
		for _, r := range records {
			after = r.Version
			if err := do(r); err != nil {
				return err
			}
		}
		if len(records) < page {
			return nil
		}
	}
}

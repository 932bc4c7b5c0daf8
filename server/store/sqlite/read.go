package sqlite

import (
	"context"
	"database/sql/driver"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/exactjson"
)

// Head returns the end of a scope's log; CodeNotFound when it has no entries.
func (s *Store) Head(ctx context.Context, scope field.Scope) (store.Head, error) {
	var head store.Head
	err := s.one(ctx, "Head", "SELECT "+headColumns+" FROM scopes WHERE scope = ?", values(string(scope)), func(row []driver.Value) {
		head = decodeHead(row)
	})
	return head, err
}

// Entry returns one entry; CodeNotFound when it is not there.
func (s *Store) Entry(ctx context.Context, scope field.Scope, seq int64) (store.Entry, error) {
	var e store.Entry
	err := s.one(ctx, "Entry", "SELECT "+entryColumns+" FROM log WHERE scope = ? AND seq = ?", values(string(scope), seq), func(row []driver.Value) {
		e = decodeEntry(row)
	})
	return e, err
}

// Batch returns the entry that holds a device's batch; CodeNotFound when there is none.
func (s *Store) Batch(ctx context.Context, scope field.Scope, device field.DeviceID, batch int64) (store.Entry, error) {
	var e store.Entry
	err := s.one(ctx, "Batch", "SELECT "+entryColumns+" FROM log WHERE scope = ? AND device = ? AND batch = ?",
		values(string(scope), string(device), batch), func(row []driver.Value) { e = decodeEntry(row) })
	return e, err
}

// LastBatch returns the highest number of a device's batches in a scope; 0 when there is none.
func (s *Store) LastBatch(ctx context.Context, scope field.Scope, device field.DeviceID) (int64, error) {
	var last int64
	err := s.one(ctx, "LastBatch", "SELECT coalesce(max(batch), 0) FROM log WHERE scope = ? AND device = ?",
		values(string(scope), string(device)), func(row []driver.Value) { last = number(row[0]) })
	return last, err
}

func (s *Store) one(ctx context.Context, op, query string, args []driver.NamedValue, found func(row []driver.Value)) error {
	n := 0
	err := s.read(ctx, op, func(c *conn) error {
		return c.query(context.Background(), query, args, func(row []driver.Value) error {
			n++
			found(row)
			return nil
		})
	})
	if err == nil && n == 0 {
		return field.Refuse(field.CodeNotFound, "")
	}
	return err
}

// Entries returns entries after a number, in order.
func (s *Store) Entries(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	return s.entries(ctx, "Entries", entryColumns, scope, after, limit)
}

// Marks returns the same entries without their bodies.
func (s *Store) Marks(ctx context.Context, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	return s.entries(ctx, "Marks", markColumns+", NULL, bundle", scope, after, limit)
}

func (s *Store) entries(ctx context.Context, op, columns string, scope field.Scope, after int64, limit int) ([]store.Entry, error) {
	var entries []store.Entry
	if limit < 3 {
		ctx = context.WithoutCancel(ctx) // too short to be worth a goroutine
	}
	err := s.read(ctx, op, func(c *conn) error {
		return c.query(ctx, "SELECT "+columns+" FROM log WHERE scope = ? AND seq > ? ORDER BY seq LIMIT ?+0",
			values(string(scope), after, int64(limit)), func(row []driver.Value) error {
				entries = append(entries, decodeEntry(row))
				return nil
			})
	})
	return entries, err
}

// Records returns those of the records that exist, tombstones too, in no order.
func (s *Store) Records(ctx context.Context, ids []field.RecordID) ([]*field.Record, error) {
	if len(ids) == 0 {
		return nil, ctx.Err()
	}
	var records []*field.Record
	err := s.read(ctx, "Records", func(c *conn) error {
		query, args := "SELECT "+recordColumns+" FROM records t WHERE t.id = ?", values(string(ids[0]))
		if len(ids) > 1 {
			query, args = "SELECT "+recordColumns+" FROM records t WHERE t.id IN (SELECT value FROM json_each(?))", values(jsonList(ids))
		}
		return c.query(context.Background(), query, args, c.into(&records))
	})
	return records, err
}

func (c *conn) into(records *[]*field.Record) func(row []driver.Value) error {
	return func(row []driver.Value) error {
		r, err := c.decodeRecord(row)
		if err == nil {
			*records = append(*records, r)
		}
		return err
	}
}

const changedQuery = "SELECT " + recordColumns + ` FROM records t INDEXED BY records_changed
	WHERE t.scope = ? AND t.version > ? AND t.version <= ? ORDER BY t.version, t.id`

// Changed returns the records with after < Version <= upTo by version and id. It stops at the first version that ends
// at or past limit: a page shorter than limit is the last one.
func (s *Store) Changed(ctx context.Context, scope field.Scope, after, upTo int64, limit int) ([]*field.Record, error) {
	var records []*field.Record
	err := s.read(ctx, "Changed", func(c *conn) error {
		records = make([]*field.Record, 0, min(max(limit, 0), 1000))
		add := c.into(&records)
		return c.query(context.Background(), changedQuery,
			values(string(scope), after, upTo), func(row []driver.Value) error {
				if n := len(records); n >= limit && n > 0 && records[n-1].Version != number(row[6]) {
					return errEnough
				}
				return add(row)
			})
	})
	return records, err
}

// jsonList is how a list of any length becomes one argument: the statement stays the same, and is prepared once.
func jsonList[T ~string](list []T) string {
	b := append(make([]byte, 0, 40*len(list)+2), '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = exactjson.AppendText(b, string(v))
	}
	return string(append(b, ']'))
}

package sqlite

import (
	"context"
	"database/sql/driver"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// hashKey is what the keys of perceptual hashes begin with; hashKeyEnd follows on all of them.
const (
	hashKey    = "perceptual="
	hashKeyEnd = "perceptual>" // '>' follows on '='
)

const hashesQuery = `SELECT k.key, k.rank, k.id, t.scope FROM record_keys k CROSS JOIN records t ON t.id = k.id
	WHERE (k.key, k.rank, k.id) > (?, ?, ?) AND k.key < '` + hashKeyEnd + `' AND t.kind = 'photo' AND t.deleted = 0 ORDER BY k.key, k.rank, k.id LIMIT ?+0`

// Hashes returns a page of the perceptual hashes of photos, by hash.
func (s *Store) Hashes(ctx context.Context, after store.Hash, limit int) ([]store.Hash, error) {
	var page []store.Hash
	err := s.read(ctx, "Hashes", func(c *conn) error {
		return c.query(ctx, hashesQuery, values(hashKey+after.Value, after.Place.Rank, string(after.Place.ID), int64(limit)), func(row []driver.Value) error {
			page = append(page, store.Hash{
				Value: text(row[0])[len(hashKey):], Scope: field.Scope(text(row[3])),
				Place: store.Place{Rank: text(row[1]), ID: field.RecordID(text(row[2]))},
			})
			return nil
		})
	})
	return page, err
}

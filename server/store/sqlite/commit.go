package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"fieldclue/server/field"
	"fieldclue/server/store"
)

// Commit keeps the contract in server/store. When ctx ends while the commit is being written, it may or may not be
// made: the error wraps ctx's and, like every error but the two of the contract, is resolved by looking for the batch.
func (s *Store) Commit(ctx context.Context, writes []store.Write) error {
	if s.writer == nil {
		return closed("Commit on a store opened for reading")
	}
	ch, err := encodeCommit(writes)
	if err != nil {
		return err
	}
	err = s.writer.write(ctx, "Commit", ch)
	if errors.Is(err, errElsewhere) {
		return store.ErrHeadMoved
	}
	return err
}

// commit is a Commit ready to be bound.
type commit struct {
	scopes []scopeRow
	size   int
}

type scopeRow struct {
	scope   string
	seq     int64  // before
	prev    string // hash before
	head    []driver.NamedValue
	entries []entryRow
	made    []madeRows  // records that look new, put together by what they share
	records []recordRow // the others
}

type entryRow struct {
	key  []driver.NamedValue // scope, device, batch
	args []driver.NamedValue
}

func (c *commit) bytes() int { return c.size }

func encodeCommit(writes []store.Write) (*commit, error) {
	c := &commit{}
	for _, w := range writes {
		if len(w.Entries) == 0 {
			return nil, unusable(w.Head.Scope, "without an entry")
		}
		h := w.Head
		first, last := w.Entries[0], w.Entries[len(w.Entries)-1]
		if last.Seq != h.Seq || last.Hash != h.Hash {
			return nil, unusable(h.Scope, "whose head is not its last entry")
		}
		if slices.ContainsFunc(c.scopes, func(o scopeRow) bool { return o.scope == string(h.Scope) }) {
			return nil, unusable(h.Scope, "beside another to the same scope")
		}
		row := scopeRow{scope: string(h.Scope), seq: first.Seq - 1, prev: first.Prev}
		row.head = values(row.scope, h.Seq, h.Hash, millis(h.At), joinOrgs(h.Info.Orgs), h.Info.Region, string(h.Info.Project))
		for i, e := range w.Entries {
			if e.Scope != h.Scope || e.Seq != first.Seq+int64(i) {
				return nil, unusable(h.Scope, "whose entries do not follow on each other")
			}
			row.entries = append(row.entries, entryRow{
				key: values(row.scope, string(e.Device), e.Batch),
				// The body is copied: when ctx ends, the caller has its bytes back while they may still be written.
				args: values(row.scope, e.Seq, string(e.Device), e.Batch, e.Hash, e.Prev, millis(e.At), string(e.Actor),
					slices.Concat([]byte{}, e.Body)),
			})
			c.size += len(e.Body)
		}
		for _, r := range w.Records {
			rec := encodeRecord(r)
			c.size += 2 * len(rec.fields)
			if r.CreatedAt.Equal(r.UpdatedAt) { // it was just made, so it is hardly there yet
				row.made = addMade(row.made, rec)
				continue
			}
			rec.args = rec.columns()
			row.records = append(row.records, rec)
		}
		c.scopes = append(c.scopes, row)
	}
	return c, nil
}

func unusable(scope field.Scope, why string) error {
	e := field.Refuse(field.CodeInternal, "").Because(fmt.Errorf("a write to %s %s", scope, why))
	e.Op = "sqlite Commit"
	return e
}

// apply asks first and writes then, so that a refusal needs no way back. A lone entry, which most commits are, is its
// own question.
func (c *commit) apply(w *writer) error {
	for _, s := range c.scopes {
		var seq int64
		var hash string
		err := w.c.query(context.Background(), "SELECT seq, hash FROM scopes WHERE scope = ?", s.head[:1], func(row []driver.Value) error {
			seq, hash = number(row[0]), text(row[1])
			return nil
		})
		if err != nil {
			return err
		}
		if seq != s.seq || hash != s.prev {
			return store.ErrHeadMoved
		}
	}
	if lone := len(c.scopes) == 1 && len(c.scopes[0].entries) == 1; !lone {
		if err := c.findKnown(w); err != nil {
			return err
		}
	}
	for _, s := range c.scopes {
		for i, e := range s.entries {
			n, err := w.c.exec("INSERT INTO log ("+markColumns+", body) VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (scope, device, batch) DO NOTHING", e.args)
			switch {
			case err != nil:
				return err
			case n == 0 && len(c.scopes) == 1 && i == 0:
				return store.ErrBatchKnown // nothing has been written
			case n == 0:
				return errTwice
			}
		}
		for i := range s.made {
			if err := w.makeRecords(&s.made[i]); err != nil {
				return err
			}
		}
		for i := range s.records {
			if err := w.putRecord(&s.records[i]); err != nil {
				return err
			}
		}
		if _, err := w.c.exec("INSERT OR REPLACE INTO scopes ("+headColumns+") VALUES (?,?,?,?,?,?,?)", s.head); err != nil {
			return err
		}
	}
	return nil
}

// errTwice is a fault and no refusal: entries of the commit are written already, so the transaction is taken back.
var errTwice = errors.New("a batch is twice in one commit")

// errElsewhere is found in the middle of a commit, so the transaction is taken back, and then told as ErrHeadMoved.
var errElsewhere = errors.New("a record is in another scope")

// findKnown returns ErrBatchKnown if any of the entries holds a batch that is in the log.
func (c *commit) findKnown(w *writer) error {
	for _, s := range c.scopes {
		for _, e := range s.entries {
			known := false
			err := w.c.query(context.Background(), "SELECT 1 FROM log WHERE scope = ? AND device = ? AND batch = ?", e.key, func([]driver.Value) error {
				known = true
				return nil
			})
			if err != nil {
				return err
			}
			if known {
				return store.ErrBatchKnown
			}
		}
	}
	return nil
}

// makeRecords inserts records without a look, many in one statement. Where one of them was there all the same, the
// insert leaves it alone, and each of that statement is looked at.
func (w *writer) makeRecords(m *madeRows) error {
	for rows := m.rows; len(rows) > 0; {
		n := rowsAtOnce(len(rows))
		args := make([]driver.NamedValue, 0, sharedWidth+3*n)
		args = append(args, m.args...)
		for i := range rows[:n] {
			r := &rows[i]
			args = number3(args, r.id, r.keysText, r.fields)
		}
		done, err := w.c.exec(makeStatement[n], args)
		if err != nil {
			return err
		}
		for i := range rows[:n] {
			if done == int64(n) {
				break
			}
			rows[i].args = rows[i].columns()
			if err := w.putRecord(&rows[i]); err != nil {
				return err
			}
		}
		rows = rows[n:]
	}
	for _, k := range m.keys {
		if err := w.putKey(k.key, m.rank, k.ids); err != nil {
			return err
		}
	}
	return nil
}

// putRecord writes the image of a record over the one before, and the keys where they have changed.
func (w *writer) putRecord(r *recordRow) error {
	var old struct{ kind, scope, rank, keys string }
	found := false
	err := w.c.query(context.Background(), "SELECT kind, scope, rank, keys FROM records WHERE id = ?", values(r.id), func(row []driver.Value) error {
		found = true
		old.kind, old.scope, old.rank, old.keys = text(row[0]), text(row[1]), text(row[2]), text(row[3])
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case !found:
		_, err = w.c.exec(insertRecord, r.args)
		return w.putKeys(r, err)
	case old.scope != r.scope:
		return errElsewhere
	case old.kind == r.kind && old.rank == r.rank:
		_, err = w.c.exec(updateRecord, r.args[:updateWidth])
	default:
		_, err = w.c.exec(replaceRecord, r.args)
	}
	if err != nil || old.keys == r.keysText && old.rank == r.rank {
		return err
	}
	p := w.c.parser([]byte(old.keys))
	for _, key := range p.texts() {
		if _, err := w.c.exec("DELETE FROM record_keys WHERE key = ? AND rank = ? AND id = ?", values(key, old.rank, r.id)); err != nil {
			return err
		}
	}
	return w.putKeys(r, nil)
}

func (w *writer) putKeys(r *recordRow, err error) error {
	for _, key := range r.keys {
		if err != nil {
			return err
		}
		err = w.putKey(key, r.rank, []string{r.id})
	}
	return err
}

// putKey writes that lists find the records by a key.
func (w *writer) putKey(key, rank string, ids []string) error {
	for len(ids) > 0 {
		n := rowsAtOnce(len(ids))
		args := make([]driver.NamedValue, 0, 2+n)
		args = append(args, values(key, rank)...)
		for _, id := range ids[:n] {
			args = append(args, driver.NamedValue{Ordinal: len(args) + 1, Value: id})
		}
		if _, err := w.c.exec(keyStatement[n], args); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

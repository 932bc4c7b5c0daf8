package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// linkSums finds entries that name others with which they were written, and are not named by them, without keeping the
// links: what an entry says of a pair is added at one place of a table, and what the other says of it is taken away
// again. Where something is left, both sides are looked for in a second reading.
type linkSums struct {
	ends map[field.Scope]int64 // up to where both sides of a link are counted
	sums [linkPlaces]uint64

	beyond bool // an entry names one that was not there when this began: it was written since, or it is gone
}

const linkPlaces = 1 << 16

func (l *linkSums) begin(ctx context.Context, s Store) error {
	l.ends = map[field.Scope]int64{}
	q := store.ListScopes{Visible: everything, Limit: 1000}
	for {
		heads, err := s.Heads(ctx, q)
		if err != nil {
			return err
		}
		for _, h := range heads {
			l.ends[h.Scope], q.After = h.Seq, h.Scope
		}
		if len(heads) < q.Limit {
			return nil
		}
	}
}

func (l *linkSums) add(b *protocol.Body) {
	if l == nil {
		return // rebuilding asks for no more than the log of one scope
	}
	for _, to := range b.With {
		if b.Seq > l.ends[b.Scope] {
			continue // written since this began
		}
		if to.Seq > l.ends[to.Scope] {
			l.beyond = true
			continue
		}
		place, sum := pair(b, to)
		l.sums[place] += sum
	}
}

// pair is where a link is counted and what it counts for: the same for both sides but for the sign.
func pair(b *protocol.Body, to protocol.Link) (place uint16, sum uint64) {
	first, second, sign := protocol.Link{Scope: b.Scope, Seq: b.Seq}, to, uint64(1)
	if second.Scope < first.Scope {
		first, second, sign = second, first, math.MaxUint64 // minus one
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%s#%d %s#%d", first.Scope, first.Seq, second.Scope, second.Seq))
	return binary.BigEndian.Uint16(h[:]), sign * binary.BigEndian.Uint64(h[8:])
}

// unlinked names the links that one side alone knows. Most logs need no second reading.
func (v *Verification) unlinked(ctx context.Context, s Kept) error {
	wrong := v.links.beyond
	for _, sum := range v.links.sums {
		wrong = wrong || sum != 0
	}
	if !wrong {
		return nil
	}
	return eachEnd(ctx, s, func(last store.Entry) error {
		for seq := int64(0); seq < last.Seq; {
			entries, err := s.Entries(ctx, last.Scope, seq, 200)
			if errors.Is(err, store.ErrDamaged) || err == nil && len(entries) == 0 {
				return nil // named before
			}
			if err != nil {
				return err
			}
			for _, e := range entries {
				seq = e.Seq
				body, err := protocol.Open(e)
				if err != nil {
					continue // named before
				}
				if err := v.named(ctx, s, &body); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// named looks for the other sides of the links of an entry.
func (v *Verification) named(ctx context.Context, s Kept, b *protocol.Body) error {
	for _, to := range b.With {
		place, _ := pair(b, to)
		if b.Seq > v.links.ends[b.Scope] || to.Seq <= v.links.ends[to.Scope] && v.links.sums[place] == 0 {
			continue
		}
		other, err := s.Entry(ctx, to.Scope, to.Seq)
		switch {
		case field.Is(err, field.CodeNotFound):
			v.lost("%s: entry %d was written together with entry %d of %s, which is missing", b.Scope, b.Seq, to.Seq, to.Scope)
			continue
		case errors.Is(err, store.ErrDamaged):
			continue // named before
		case err != nil:
			return err
		}
		back, err := protocol.Open(other)
		if err != nil {
			continue // named before
		}
		if !names(&back, b) {
			v.lost("%s: entry %d was written together with entry %d of %s, which does not say so", b.Scope, b.Seq, to.Seq, to.Scope)
		}
	}
	return nil
}

func names(b, other *protocol.Body) bool {
	for _, to := range b.With {
		if to.Scope == other.Scope && to.Seq == other.Seq {
			return true
		}
	}
	return false
}

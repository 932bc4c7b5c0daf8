package sqlite_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/store/sqlite"
)

// The benchmarks measure the store alone, durable, with eight callers that each have a scope of their own:
//
//	go test -run xxx -bench . ./server/store/sqlite

const clients = 8

var at = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// phone is one caller: it makes the commits that the sync engine would.
type phone struct {
	n      int
	head   store.Head
	made   int
	device field.DeviceID
}

func newPhone(n int) *phone {
	return &phone{
		n: n, device: field.DeviceID(field.DeriveID(at, "device", fmt.Sprint(n))),
		head: store.Head{
			Scope: field.MakeScope(field.ScopeSite, string(field.DeriveID(at, "site", fmt.Sprint(n)))),
			Info:  field.ScopeInfo{Orgs: []field.OrgID{"gz-liwan"}, Region: "440103", Project: "0193594e-0000-7000-8000-0000000000cc"},
		},
	}
}

// push makes a commit of one entry with new records whose fields have about size bytes each.
func (p *phone) push(records, size int) store.Write {
	w := store.Write{Head: p.head}
	w.Head.Seq++
	w.Head.At = at
	body := make([]byte, 0, records*(size+300))
	for range records {
		p.made++
		now := at.Add(time.Duration(p.made) * time.Millisecond)
		r := &field.Record{
			ID: field.DeriveID(now, "record", fmt.Sprint(p.n, p.made)), Kind: "finding", Scope: w.Head.Scope, Info: w.Head.Info,
			Version: w.Head.Seq, State: "open", Author: "0193594e-0000-7000-8000-0000000000aa", Device: p.device,
			CreatedAt: now, UpdatedAt: now, Rank: field.RankTime(now),
			Keys:   []string{fmt.Sprintf("reportId=0193594e-0000-7000-8000-%012d", p.made/50)},
			Fields: map[string]field.Value{}, Stamps: map[string]field.Stamp{},
		}
		for i := range 8 {
			path := fmt.Sprintf("answers.item-%d", i)
			r.Fields[path] = field.Quote(strings.Repeat("x", size/8-24))
			r.Stamps[path] = field.Stamp{Seq: w.Head.Seq, Device: p.device}
		}
		w.Records = append(w.Records, r)
		body = append(append(body, r.Document()...), ',')
	}
	sum := sha256.Sum256(body)
	w.Head.Hash = hex.EncodeToString(sum[:])
	w.Entries = []store.Entry{{
		Scope: w.Head.Scope, Seq: w.Head.Seq, Device: p.device, Batch: w.Head.Seq, Hash: w.Head.Hash, Prev: p.head.Hash, At: at,
		Actor: "0193594e-0000-7000-8000-0000000000aa", Body: body,
	}}
	p.head = w.Head
	return w
}

func benchStore(b *testing.B) *sqlite.Store {
	s, err := sqlite.Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// all lets the clients work until b.N commits are made.
func all(b *testing.B, do func(p *phone) error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, clients)
	for i := range clients {
		go func() {
			p := newPhone(i)
			for left.Add(-1) >= 0 {
				if err := do(p); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, records := range []int{1, 50} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			s := benchStore(b)
			b.ResetTimer()
			all(b, func(p *phone) error { return s.Commit(b.Context(), []store.Write{p.push(records, 1000)}) })
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			b.ReportMetric(float64(b.N*records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkPutDoc(b *testing.B) {
	s := benchStore(b)
	b.ResetTimer()
	all(b, func(p *phone) error {
		p.made++
		_, err := s.PutDoc(b.Context(), store.Doc{Shelf: store.Jobs, ID: fmt.Sprint(p.n, "-", p.made), Due: at, Body: []byte(`{"tries":1}`)})
		return err
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

func BenchmarkChanged(b *testing.B) {
	s := benchStore(b)
	scopes := make([]field.Scope, 20)
	for i := range scopes {
		p := newPhone(i)
		for range 10 {
			if err := s.Commit(b.Context(), []store.Write{p.push(50, 1000)}); err != nil {
				b.Fatal(err)
			}
		}
		scopes[i] = p.head.Scope
	}
	var records atomic.Int64
	b.ResetTimer()
	all(b, func(p *phone) error {
		p.made++
		page, err := s.Changed(b.Context(), scopes[(p.n+p.made)%len(scopes)], 0, math.MaxInt64, 500)
		records.Add(int64(len(page)))
		return err
	})
	b.ReportMetric(float64(records.Load())/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkRecords(b *testing.B) {
	s := benchStore(b)
	p := newPhone(0)
	w := p.push(500, 1000)
	if err := s.Commit(b.Context(), []store.Write{w}); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	all(b, func(p *phone) error {
		p.made++
		_, err := s.Records(b.Context(), []field.RecordID{w.Records[(p.made*7)%500].ID})
		return err
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
}

package casefile

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"fieldclue/media/blob"
	"fieldclue/media/receipt"
	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/sync/anchor"
	"fieldclue/sync/protocol"
)

// Gather puts the file of a case together as the logs stand now, and reads every byte of it once. CodeNotFound when
// there is no such clue, or the filter does not show it. The same logs give the same file, whenever and wherever they
// lie.
func (m *Maker) Gather(ctx context.Context, visible access.Filter, clue field.ClueID) (*File, error) {
	n, err := collect(ctx, m.Store, visible, clue)
	if err != nil {
		return nil, err
	}
	ring, err := m.Keys(ctx)
	if err != nil {
		return nil, err
	}
	g := &sealer{Maker: m, near: n, tale: newTale(), blobs: map[string]bool{}, ring: ring}
	if err := g.readLogs(); err != nil {
		return nil, err
	}
	if err := g.shown(); err != nil {
		return nil, err
	}
	if err := g.files(); err != nil {
		return nil, err
	}
	return g.file(ctx)
}

// sealer turns what is near a clue into files.
type sealer struct {
	*Maker
	*near
	ring  receipt.Ring
	cut   *cutter
	logs  []*scopeLog
	tale  *tale // of what may be shown
	heads anchor.Statement
	about About
	out   []part
	blobs map[string]bool // names of those in out
}

// scopeLog is the log of a scope as it stood when the file was begun.
type scopeLog struct {
	scope    field.Scope
	end      int64
	seqs     []int64        // of the entries that speak of the case
	whole    map[int64]bool // of these, those that are shown whole
	withheld map[int64]bool // of these, those whose hash is not shown
}

// readLogs finds the entries that speak of the case. Those of organisations come last: whom they should name is known
// only when the others are read.
func (g *sealer) readLogs() error {
	g.cut = &cutter{in: map[field.RecordID]field.Scope{}, kinds: map[field.RecordID]field.Kind{}, final: map[field.RecordID]*field.Record{}}
	image := map[field.RecordID]*field.Record{}
	for _, reference := range []bool{false, true} {
		var scopes []field.Scope
		for _, r := range g.near.in {
			g.cut.in[r.ID], g.cut.kinds[r.ID] = r.Scope, r.Kind
			if (r.Scope.Type() == field.ScopeOrg) == reference && !slices.Contains(scopes, r.Scope) {
				scopes = append(scopes, r.Scope)
			}
		}
		slices.Sort(scopes)
		var people []field.RecordID
		for _, s := range scopes {
			l, err := g.readLog(s, image, &people)
			if err != nil {
				return err
			}
			g.logs = append(g.logs, l)
		}
		if reference {
			break
		}
		for _, r := range image {
			people = append(people, peopleOf(r)...)
		}
		if err := g.beside(people); err != nil {
			return err
		}
	}
	for id, r := range image {
		if r.Kind.Filing() == field.FiledWords {
			g.cut.final[id] = r
		}
	}
	slices.SortFunc(g.logs, func(a, b *scopeLog) int { return cmp.Compare(a.scope, b.scope) })
	return nil
}

func (g *sealer) readLog(s field.Scope, image map[field.RecordID]*field.Record, people *[]field.RecordID) (*scopeLog, error) {
	head, err := g.Store.Head(g.ctx, s)
	if err != nil {
		return nil, err
	}
	l := &scopeLog{scope: s, end: head.Seq, whole: map[int64]bool{}, withheld: map[int64]bool{}}
	for seq := int64(0); seq < l.end; {
		entries, err := g.Store.Entries(g.ctx, s, seq, int(min(200, l.end-seq)))
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 {
			return nil, fmt.Errorf("the log of %s ends before its head", s)
		}
		for _, e := range entries {
			seq = e.Seq
			b, err := protocol.Open(e)
			if err != nil {
				return nil, err
			}
			if !g.cut.touches(&b) {
				continue
			}
			l.seqs = append(l.seqs, e.Seq)
			if b.Actor != "" && !slices.Contains(*people, field.RecordID(b.Actor)) {
				*people = append(*people, field.RecordID(b.Actor))
			}
			for _, c := range b.Changes {
				if g.cut.holds(&b, c.ID) {
					image[c.ID] = protocol.Apply(&b, c, e.At, image[c.ID], field.ScopeInfo{})
				}
			}
		}
		if len(l.seqs) > maxFiles || len(image) > maxRecords {
			return nil, field.Refuse(field.CodeTooLong, "The case has over %d entries or %d records.", maxFiles, maxRecords).
				InChinese("该案卷的日志超过 %d 条，或记录超过 %d 条。", maxFiles, maxRecords)
		}
	}
	return l, nil
}

// shown tells the tale from what may be shown of each entry, and settles which hashes are withheld: those of entries of
// which a short text is missing. The hash of such an entry stands in the next one too, which is then not shown whole.
func (g *sealer) shown() error {
	for _, l := range g.logs {
		for _, seq := range l.seqs {
			b, _, err := g.entry(l, seq)
			if err != nil {
				return err
			}
			_, whole, bared := g.cut.cut(&b)
			l.whole[seq] = whole && !l.withheld[seq-1]
			if bared {
				l.withheld[seq] = true
			}
			shown, hash, err := g.shownEntry(l, seq)
			if err != nil {
				return err
			}
			if err := g.tale.hear(shown, hash); err != nil {
				return fmt.Errorf("entry %s %d: %w", l.scope, seq, err)
			}
		}
	}
	return nil
}

func (g *sealer) entry(l *scopeLog, seq int64) (protocol.Body, string, error) {
	e, err := g.Store.Entry(g.ctx, l.scope, seq)
	if err != nil {
		return protocol.Body{}, "", err
	}
	if protocol.HashOf(e.Body) != e.Hash {
		return protocol.Body{}, "", field.Refuse(field.CodeHashMismatch, "Entry %d of %s is not what its hash says.", seq, l.scope).
			InChinese("第 %d 条日志（%s）与其哈希不符。", seq, l.scope)
	}
	b, err := protocol.Open(e)
	return b, e.Hash, err
}

// shownEntry is what the file shows of an entry, and its hash unless that is withheld.
func (g *sealer) shownEntry(l *scopeLog, seq int64) (*protocol.Body, string, error) {
	b, hash, err := g.entry(l, seq)
	if err != nil {
		return nil, "", err
	}
	part, _, _ := g.cut.cut(&b)
	if !l.whole[seq] && part == &b {
		b.Digest = ""
	}
	if l.withheld[seq-1] {
		part.Prev = ""
	}
	if l.withheld[seq] {
		hash = ""
	}
	return part, hash, nil
}

// part is one file of the case: its name, and how to read it.
type part struct {
	name string
	open func(ctx context.Context) (io.ReadCloser, error)
}

func (g *sealer) add(name string, open func(context.Context) (io.ReadCloser, error)) {
	g.out = append(g.out, part{name, open})
}

func (g *sealer) addBytes(name string, b []byte) {
	g.add(name, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
}

// files lists what the file holds, but for the manifest.
func (g *sealer) files() error {
	var newest time.Time
	for _, l := range g.logs {
		end, err := g.addLog(l)
		if err != nil {
			return err
		}
		if end.After(newest) {
			newest = end
		}
	}
	g.heads.At = newest
	statement, err := anchor.Sign(g.ring.Private, g.heads)
	if err != nil {
		return err
	}
	g.addBytes(headsName, statement)
	key, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(g.ring.Keys[0].PublicKey))
	if err != nil {
		return err
	}
	g.addBytes(keyName, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key}))
	if len(g.ring.Keys) > 1 {
		g.addBytes(keysName, document(g.ring.Keys.Publish()))
	}
	for _, r := range slices.SortedFunc(maps.Values(g.tale.image), byKindAndAge) {
		if err := g.addRecord(r); err != nil {
			return err
		}
	}
	g.about.V, g.about.Clue, g.about.Number = 1, g.clue.ID, g.tale.image[g.clue.ID].Text("number")
	g.about.LeftOut = slices.SortedFunc(maps.Values(g.left), func(a, b LeftOut) int { return cmp.Compare(a.ID, b.ID) })
	if g.about.LeftOut == nil {
		g.about.LeftOut = []LeftOut{}
	}
	g.addBytes(aboutName, document(g.about))
	page, err := g.page()
	if err != nil {
		return err
	}
	g.addBytes(pageName, page)
	return nil
}

// addLog adds the chain and the entries of a scope; end is the time of the last entry that is vouched for.
func (g *sealer) addLog(l *scopeLog) (end time.Time, err error) {
	g.add(scopeDir(l.scope)+chainName, func(ctx context.Context) (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(g.writeChain(ctx, w, l)) }()
		return r, nil
	})
	about := Log{Scope: l.scope, Entries: l.end, Withheld: len(l.withheld)}
	for _, seq := range l.seqs {
		whole := l.whole[seq]
		if whole {
			about.Whole++
		} else {
			about.Parts++
		}
		g.add(entryName(l.scope, seq, whole), func(ctx context.Context) (io.ReadCloser, error) {
			if whole {
				e, err := g.Store.Entry(ctx, l.scope, seq)
				return io.NopCloser(bytes.NewReader(e.Body)), err
			}
			b, hash, err := g.shownEntry(l, seq)
			if err != nil {
				return nil, err
			}
			return io.NopCloser(bytes.NewReader(document(Part{hash, *b}))), nil
		})
	}
	g.about.Logs = append(g.about.Logs, about)
	signed := l.end
	for l.withheld[signed] {
		signed--
	}
	if signed == 0 {
		return end, nil
	}
	e, err := g.Store.Entry(g.ctx, l.scope, signed)
	if err != nil {
		return end, err
	}
	g.heads.Heads = append(g.heads.Heads, anchor.Head{Scope: l.scope, Seq: signed, Hash: e.Hash})
	return e.At, nil
}

// writeChain writes the number and the hash of each entry of a log, "-" for a hash that is withheld.
func (g *sealer) writeChain(ctx context.Context, w io.Writer, l *scopeLog) error {
	for seq := int64(0); seq < l.end; {
		marks, err := g.Store.Marks(ctx, l.scope, seq, int(min(1000, l.end-seq)))
		if err != nil {
			return err
		}
		if len(marks) == 0 {
			return fmt.Errorf("the log of %s ends before its head", l.scope)
		}
		var b bytes.Buffer
		for _, m := range marks {
			seq = m.Seq
			hash := m.Hash
			if l.withheld[seq] {
				hash = "-"
			}
			fmt.Fprintf(&b, "%d %s\n", seq, hash)
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// addRecord adds a record, and of a photo that has arrived its receipt, its bytes and its small rendition.
func (g *sealer) addRecord(r *field.Record) error {
	g.addBytes(recordName(r.Kind, r.ID), document(g.tale.filed(r)))
	if r.Kind.Filing() != field.FiledPicture || r.Fields["receipt"] == nil {
		return nil
	}
	var paper receipt.Receipt
	if err := json.Unmarshal(r.Fields["receipt"], &paper); err != nil {
		return fmt.Errorf("the receipt of photo %s: %w", r.ID, err)
	}
	g.addBytes(receiptsDir+string(r.ID)+".json", document(paper))
	g.addBlob(originalName(r.Text("sha256"), r.Text("type")), r.Text("sha256"))
	switch _, err := g.Blobs.Stat(g.ctx, blob.Sum(r.Text("small"))); {
	case r.Text("small") == "" || field.Is(err, field.CodeNotFound): // it can be made again from the original
	case err != nil:
		return err
	default:
		g.addBlob(smallName(r.Text("small")), r.Text("small"))
	}
	return nil
}

func (g *sealer) addBlob(name, sum string) {
	if g.blobs[name] {
		return
	}
	g.blobs[name] = true
	g.add(name, func(ctx context.Context) (io.ReadCloser, error) {
		info, err := g.Blobs.Stat(ctx, blob.Sum(sum))
		if err != nil {
			return nil, err
		}
		r, err := g.Blobs.Open(ctx, blob.Sum(sum), 0, -1)
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{blob.NewExact(r, blob.Sum(sum), info.Size), r}, nil
	})
}

// document writes JSON for people and programs.
func document(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		panic("casefile: a value of the program itself does not marshal: " + err.Error())
	}
	return b.Bytes()
}

// sign signs a manifest.
func sign(key ed25519.PrivateKey, manifest []byte) []byte {
	return append([]byte(base64.StdEncoding.EncodeToString(ed25519.Sign(key, manifest))), '\n')
}

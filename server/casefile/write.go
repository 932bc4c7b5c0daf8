package casefile

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"fieldclue/server/field"
)

// File is the file of a case, ready to be written as often as needed. It holds the texts that people read; photos and
// entries are read again each time, and must be what they were.
type File struct {
	Clue   field.RecordID
	Number string
	Photos []field.RecordID // whose originals are in it
	parts  []part
	files  []listed // the same, measured
}

// Name is what the file is called: case-bijie-2026-0001.zip.
func (f *File) Name() string {
	if f.Number != "" {
		return "case-" + f.Number + ".zip"
	}
	return "case-" + string(f.Clue) + ".zip"
}

// listed is what a ZIP says about a file.
type listed struct {
	name string
	size int64
	crc  uint32
	sum  string // SHA-256, lower-case hexadecimal
}

// file measures every part, and adds the manifest and its signature.
func (g *sealer) file(ctx context.Context) (*File, error) {
	f := &File{Clue: g.clue.ID, Number: g.about.Number, parts: g.out}
	slices.SortFunc(f.parts, func(a, b part) int { return cmp.Compare(a.name, b.name) })
	if len(f.parts)+2 > maxFiles {
		return nil, field.Refuse(field.CodeTooLong, "The case has over %d files.", maxFiles).InChinese("该案卷的文件超过 %d 个。", maxFiles)
	}
	texts := int64(0)
	for _, p := range f.parts {
		l, err := measure(ctx, p, io.Discard)
		if err != nil {
			return nil, err
		}
		f.files = append(f.files, l)
		if !strings.HasPrefix(p.name, originalsDir) && !strings.HasSuffix(p.name, chainName) {
			texts += l.size
		}
		if texts > maxAllText {
			return nil, field.Refuse(field.CodeTooLong, "The case has over %d MB of text.", maxAllText>>20).
				InChinese("该案卷的文字超过 %d MB。", maxAllText>>20)
		}
	}
	for id, r := range g.tale.image {
		if r.Kind.Filing() == field.FiledPicture && r.Fields["receipt"] != nil {
			f.Photos = append(f.Photos, id)
		}
	}
	slices.Sort(f.Photos)
	var m bytes.Buffer
	fmt.Fprintf(&m, "# fieldclue case 1\n# clue %s\n# key %s\n", g.clue.ID, g.keyID())
	for _, l := range f.files {
		fmt.Fprintf(&m, "%s  %s\n", l.sum, l.name)
	}
	g.out = f.parts
	g.addBytes(manifestName, m.Bytes())
	g.addBytes(signatureName, sign(g.ring.Private, m.Bytes()))
	for _, p := range g.out[len(f.parts):] {
		l, err := measure(ctx, p, io.Discard)
		if err != nil {
			return nil, err
		}
		f.files = append(f.files, l)
	}
	f.parts = g.out
	slices.SortFunc(f.parts, func(a, b part) int { return cmp.Compare(a.name, b.name) })
	slices.SortFunc(f.files, func(a, b listed) int { return cmp.Compare(a.name, b.name) })
	return f, nil
}

// keyID is that of the key with which the file is signed.
func (g *sealer) keyID() string { return g.ring.Keys[0].KeyID }

// measure reads a part to its end and copies it to w.
func measure(ctx context.Context, p part, w io.Writer) (listed, error) {
	l := listed{name: p.name}
	r, err := p.open(ctx)
	if err != nil {
		return l, fmt.Errorf("%s: %w", p.name, err)
	}
	l.size, l.crc, l.sum, err = digest(w, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return l, fmt.Errorf("%s: %w", p.name, err)
	}
	return l, nil
}

func digest(w io.Writer, r io.Reader) (size int64, crc uint32, sum string, err error) {
	c, h := crc32.NewIEEE(), sha256.New()
	size, err = io.Copy(io.MultiWriter(w, c, h), r)
	return size, c.Sum32(), hex.EncodeToString(h.Sum(nil)), err
}

// blank writes zeros in the place of a content.
func blank(w io.Writer, n int64) error {
	zeros := make([]byte, 64<<10)
	for n > 0 {
		m, err := w.Write(zeros[:min(n, int64(len(zeros)))])
		if err != nil {
			return err
		}
		n -= int64(m)
	}
	return nil
}

// Write writes the ZIP, and says what it wrote. It fails, before the ZIP is complete, when a photo or an entry is not
// what it was. Every call writes the same bytes.
func (f *File) Write(ctx context.Context, w io.Writer) (sum string, size int64, err error) {
	h := &counting{Hash: sha256.New()}
	i := 0
	err = pack(io.MultiWriter(w, h), f.files, func(w io.Writer, l listed) error {
		p := f.parts[i]
		i++
		if err := ctx.Err(); err != nil {
			return err
		}
		now, err := measure(ctx, p, w)
		if err == nil && now != l {
			err = field.Refuse(field.CodeHashMismatch, "%s has changed while it was read.", l.name).InChinese("%s 在读取过程中发生了变化。", l.name)
		}
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), h.n, err
}

type counting struct {
	hash.Hash
	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.Hash.Write(p)
}

// pack writes the only ZIP that holds these files in the form of a case file: stored as they are, in this order, with
// nothing that says when or where it was made. content writes the bytes of a file. The checker packs too, to compare
// every byte between the contents.
func pack(w io.Writer, files []listed, content func(w io.Writer, l listed) error) error {
	z := zip.NewWriter(w)
	for _, l := range files {
		h := &zip.FileHeader{Name: l.name, Method: zip.Store, ReaderVersion: 20, CRC32: l.crc, CompressedSize64: uint64(l.size), UncompressedSize64: uint64(l.size)}
		h.ModifiedDate = 1<<5 | 1 //lint:ignore SA1019 the first day that a ZIP can name; Modified is not written by CreateRaw
		body, err := z.CreateRaw(h)
		if err != nil {
			return err
		}
		if err := z.Flush(); err != nil { // the header is with w now: the content follows
			return err
		}
		if err := content(body, l); err != nil {
			return err
		}
		if err := z.Flush(); err != nil {
			return err
		}
	}
	return z.Close()
}

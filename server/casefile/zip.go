package casefile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// directoryOf names the end of a ZIP, where its files are listed, in faults.
const directoryOf = "directory of the ZIP"

const (
	maxDirectory = 8 << 20
	maxName      = 200

	endSize   = 22 // of the end of the directory, without a comment
	end64Size = 20 + 56
)

// bag is a ZIP in which nothing is compressed, so that it can hold no more than it has bytes. Nothing is ever unpacked
// to a disk: names are compared, never opened.
type bag struct {
	r     io.ReaderAt
	size  int64
	zip   *zip.Reader
	files []listed // in the order of the directory; size as the directory says
	at    []int64  // where the content of each begins
	index map[string]int
}

// open reads the directory. A Fault when the ZIP cannot be one of a case file.
func open(r io.ReaderAt, size int64) (*bag, error) {
	if err := bounded(r, size); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if errors.Is(err, zip.ErrFormat) || errors.Is(err, zip.ErrAlgorithm) || errors.Is(err, zip.ErrInsecurePath) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, Fault{directoryOf, "cannot be read: " + err.Error()}
	}
	if err != nil {
		return nil, err
	}
	if len(z.File) > maxFiles {
		return nil, Fault{directoryOf, fmt.Sprintf("has over %d files", maxFiles)}
	}
	b := &bag{r: r, size: size, zip: z, index: map[string]int{}}
	held := uint64(0)
	for i, f := range z.File {
		_, twice := b.index[f.Name]
		switch held += f.UncompressedSize64; {
		case !goodName(f.Name):
			return nil, Fault{directoryOf, fmt.Sprintf("has a file with the name %.200q", f.Name)}
		case twice:
			return nil, Fault{f.Name, "is there twice"}
		case i > 0 && f.Name < z.File[i-1].Name:
			return nil, Fault{directoryOf, fmt.Sprintf("has %s before %s: one of the two names was changed, or files were moved", z.File[i-1].Name, f.Name)}
		case f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 || f.Flags != 0:
			return nil, Fault{f.Name, "is compressed or encrypted: files are stored as they are"}
		case f.UncompressedSize64 > uint64(size) || held > uint64(size):
			return nil, Fault{f.Name, "is longer than the ZIP"}
		}
		at, err := f.DataOffset()
		if err != nil || at < 0 || at > size-int64(f.UncompressedSize64) {
			return nil, Fault{f.Name, "has a header that cannot be read, or lies outside of the ZIP"}
		}
		b.index[f.Name] = i
		b.files = append(b.files, listed{name: f.Name, size: int64(f.UncompressedSize64)})
		b.at = append(b.at, at)
	}
	return b, nil
}

// bounded looks at the end of the ZIP before it is trusted with memory: the directory must be short, lie before its
// end, and nothing may follow.
func bounded(r io.ReaderAt, size int64) error {
	bad := func(what string) error { return Fault{directoryOf, what} }
	tail := make([]byte, endSize+end64Size)
	if size < int64(len(tail)) {
		return bad("is missing: the file is too short for a ZIP")
	}
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	le := binary.LittleEndian
	end64, locator, end := tail[:56], tail[56:end64Size], tail[end64Size:]
	if le.Uint32(end) != 0x06054b50 || le.Uint16(end[20:]) != 0 {
		return bad("does not end the file")
	}
	length, from, to := uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:])), uint64(size)-endSize
	if le.Uint32(locator) == 0x07064b50 {
		to -= end64Size
		if le.Uint32(end64) != 0x06064b50 || le.Uint64(locator[8:]) != to {
			return bad("does not end as it should")
		}
		length, from = le.Uint64(end64[40:]), le.Uint64(end64[48:])
	}
	switch {
	case length > maxDirectory:
		return bad(fmt.Sprintf("has over %d MB", maxDirectory>>20))
	case from > to || to-from != length:
		return bad("is not where it should be")
	}
	return nil
}

// goodName reports whether a file of a case may be called so.
func goodName(name string) bool {
	if name == "" || len(name) > maxName || name[0] == '/' || strings.HasSuffix(name, "/") {
		return false
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./", r) {
			return false
		}
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == "" || strings.Trim(element, ".") == "" {
			return false
		}
	}
	return true
}

func (b *bag) find(name string) (int, bool) { i, ok := b.index[name]; return i, ok }

func (b *bag) content(i int) io.Reader { return io.NewSectionReader(b.r, b.at[i], b.files[i].size) }

// between compares every byte that is not content with the only ZIP that holds these contents. The files were measured.
func (b *bag) between() (faults []Fault, err error) {
	c := &comparer{bag: b}
	i := 0
	err = pack(c, b.files, func(w io.Writer, l listed) error {
		if c.differs {
			faults = append(faults, Fault{l.name, "has a header in the ZIP that was changed"})
		}
		if c.pos != b.at[i] {
			return Fault{l.name, "does not lie in the ZIP where it should"}
		}
		if i++; i == len(b.files) {
			c.last = new(bytes.Buffer)
		}
		c.differs, c.past = false, c.pos+l.size
		return blank(w, l.size)
	})
	var f Fault
	if errors.As(err, &f) {
		return append(faults, f), nil
	}
	if err != nil {
		return nil, err
	}
	more, err := c.directory()
	return append(faults, more...), err
}

// comparer is written what should be there.
type comparer struct {
	bag     *bag
	pos     int64
	past    int64 // up to here it is written zeros in the place of a content, which was compared by its hash
	differs bool
	last    *bytes.Buffer // the directory, once the files are through
}

func (c *comparer) Write(p []byte) (int, error) {
	whole := len(p)
	if skip := min(c.past-c.pos, int64(len(p))); skip > 0 {
		c.pos += skip
		p = p[skip:]
	}
	if c.last != nil {
		_, err := c.last.Write(p)
		return whole, err
	}
	is := make([]byte, len(p))
	n, err := c.bag.r.ReadAt(is, c.pos)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	c.differs = c.differs || n < len(p) || !bytes.Equal(is, p)
	c.pos += int64(len(p))
	return whole, nil
}

// directory compares the rest of the ZIP, and names the files whose line in it was changed.
func (c *comparer) directory() (faults []Fault, err error) {
	if c.last == nil {
		return []Fault{{directoryOf, "is empty"}}, nil
	}
	want := c.last.Bytes()
	if c.bag.size-c.pos != int64(len(want)) {
		return []Fault{{directoryOf, fmt.Sprintf("has %d bytes; there should be %d", c.bag.size-c.pos, len(want))}}, nil
	}
	is := make([]byte, len(want))
	if _, err := c.bag.r.ReadAt(is, c.pos); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, l := range c.bag.files {
		n := 46 + len(l.name) + int(binary.LittleEndian.Uint16(want[30:]))
		if !bytes.Equal(want[:n], is[:n]) {
			faults = append(faults, Fault{l.name, "has a line in the " + directoryOf + " that was changed"})
		}
		want, is = want[n:], is[n:]
	}
	if !bytes.Equal(want, is) {
		faults = append(faults, Fault{directoryOf, "was changed at its end"})
	}
	return faults, nil
}

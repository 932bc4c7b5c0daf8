package casefile

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/anchor"
	"fieldclue/sync/protocol"
)

// Report is what checking a case file found.
type Report struct {
	About    About
	Key      receipt.Key // with which the file is signed; without id: none of those that were given
	Remarks  []string    // what a person should know and is no fault
	Believed bool        // the key came with the file: it proves nothing about who made it
	At       time.Time
	Files    int
	Bytes    int64
	Whole    int // entries of which every byte is proved by the hash of the chain
	Parts    int // entries of which the file holds an excerpt
	Records  int
	Photos   int // originals equal to their SHA-256 and to their receipts
	Faults   []Fault
}

// Sound reports whether everything holds.
func (r *Report) Sound() bool { return len(r.Faults) == 0 }

const maxFaults = 100

func (r *Report) fault(file, format string, args ...any) {
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, Fault{file, fmt.Sprintf(format, args...)})
	}
}

// String is the report for a person.
func (r *Report) String() string {
	var b strings.Builder
	if r.About.V > 0 {
		fmt.Fprintf(&b, "case        %s %s\n", r.About.Clue, r.About.Number)
		fmt.Fprintf(&b, "state of    %s\n", r.At.UTC().Format(time.RFC3339))
		fmt.Fprintf(&b, "files       %d with %d bytes, equal to the manifest\n", r.Files, r.Bytes)
		fmt.Fprintf(&b, "log         %d entries whole, equal to their hashes; %d in part, by the word of the server's signature\n", r.Whole, r.Parts)
		fmt.Fprintf(&b, "records     %d, equal to what these entries say\n", r.Records)
		fmt.Fprintf(&b, "photos      %d originals, equal to their SHA-256 and their signed receipts\n", r.Photos)
		if n := len(r.About.LeftOut); n > 0 {
			fmt.Fprintf(&b, "left out    %d records near the case; case.json says which and why\n", n)
		}
	}
	if r.Key.KeyID != "" {
		fmt.Fprintf(&b, "key         %s", r.Key.KeyID)
		if !r.Key.Until.IsZero() {
			fmt.Fprintf(&b, ", with which nothing was signed after %s", r.Key.Until.UTC().Format(time.RFC3339))
		}
		b.WriteString("\n")
	}
	for _, s := range r.Remarks {
		fmt.Fprintf(&b, "REMARK      %s\n", s)
	}
	if r.Believed {
		b.WriteString("REMARK      the key was taken from the file itself: it is BELIEVED, NOT CHECKED. Anyone who made a false file would have\n" +
			"            put his own key into it. Get the key from the office that made the file, and give it with --key\n")
	}
	if r.Sound() {
		b.WriteString("verified: no fault")
		return b.String()
	}
	fmt.Fprintf(&b, "FAULTS      %d\n", len(r.Faults))
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	return strings.TrimRight(b.String(), "\n")
}

// Check examines a case file. keys are the published ones; with none that in the file is believed. It needs memory for
// the texts of the file, at most maxAllText, whatever the file says about itself. An error means that it could not be
// read; what does not hold is in the report.
func Check(r io.ReaderAt, size int64, keys receipt.Keys) (*Report, error) {
	c := &checker{Report: &Report{}, keys: keys, leaked: map[string]int{}, tale: newTale(), bad: map[string]bool{}, sums: map[string]string{}, used: map[string]bool{}}
	b, err := open(r, size)
	if err != nil {
		var f Fault
		if !errors.As(err, &f) {
			return nil, err
		}
		c.Faults = append(c.Faults, f)
		return c.Report, nil
	}
	c.bag = b
	if err := c.bytes(); err != nil {
		return nil, err
	}
	if err := c.steps(); err != nil {
		return nil, err
	}
	c.distrust()
	slices.SortStableFunc(c.Faults, func(a, b Fault) int { return strings.Compare(a.File, b.File) })
	return c.Report, nil
}

// Error makes a Fault what open answers for what is no case file.
func (f Fault) Error() string { return f.String() }

type checker struct {
	*Report
	bag    *bag
	keys   receipt.Keys      // those that were given, and after the manifest was checked the older ones that it vouches for
	leaked map[string]int    // receipts of keys that others may have
	sums   map[string]string // of the files as they are
	bad    map[string]bool   // files that are not what the manifest says: what they say is not looked at
	used   map[string]bool   // files that have a place in a case file
	texts  int64             // bytes of text that were held
	heads  map[field.Scope]anchor.Head
	tale   *tale
}

// bytes checks every byte: the contents against the signed manifest, and the rest against the only ZIP that holds them.
func (c *checker) bytes() error {
	listedSums, err := c.manifest()
	if err != nil {
		return err
	}
	for i := range c.bag.files {
		l := &c.bag.files[i]
		if l.size, l.crc, l.sum, err = digest(io.Discard, c.bag.content(i)); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		c.sums[l.name] = l.sum
		want, ok := listedSums[l.name]
		switch {
		case l.name == manifestName, l.name == signatureName:
		case !ok:
			c.wrong(l.name, "is surplus: the manifest does not have it")
		case want != l.sum:
			c.wrong(l.name, "was changed: its SHA-256 is not that of the manifest")
		default:
			c.Files++
			c.Bytes += l.size
		}
		delete(listedSums, l.name)
	}
	for name := range listedSums {
		c.wrong(name, "is missing")
	}
	faults, err := c.bag.between()
	for _, f := range faults {
		if !c.bad[f.File] { // a changed content has another checksum in its header: named once is enough
			c.fault(f.File, "%s", f.What)
		}
	}
	return err
}

func (c *checker) wrong(name, what string) {
	c.bad[name] = true
	c.fault(name, "%s", what)
}

// manifest reads the manifest and its signature.
func (c *checker) manifest() (map[string]string, error) {
	if len(c.keys) == 0 {
		c.Believed = true
		b, err := c.read(keyName)
		if err != nil {
			return nil, err
		}
		if c.keys, err = receipt.ParseKeys(b); err != nil {
			c.wrong(keyName, "holds no key")
		}
	}
	manifest, err := c.read(manifestName)
	if err != nil {
		return nil, err
	}
	signature, err := c.read(signatureName)
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(string(signature), "\n"))
	if err == nil && string(signature) == base64.StdEncoding.EncodeToString(raw)+"\n" {
		for _, key := range c.keys {
			if ed25519.Verify(key.PublicKey, manifest, raw) {
				c.Key = key
			}
		}
	}
	if c.Key.KeyID == "" {
		c.notSigned(manifest)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(manifest)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		sum, name, ok := strings.Cut(line, "  ")
		if !ok || !goodName(name) || len(sum) != 2*sha256.Size {
			c.fault(manifestName, "has a line that is none: %.100q", line)
			continue
		}
		sums[name] = sum
	}
	return sums, nil
}

// notSigned says that no key signed the manifest, and which one did by what it says itself.
func (c *checker) notSigned(manifest []byte) {
	for line := range strings.Lines(string(manifest)) {
		id, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "# key ")
		if !ok {
			continue
		}
		if _, known := c.keys.Find(id); !known {
			c.fault(manifestName, "says that it is signed with the key %.40q, which is not among those that were given", id)
			return
		}
		break
	}
	c.fault(manifestName, "is not what was signed: %s, %s or the key is another", manifestName, signatureName)
}

// olderKeys takes the older keys that the file brings: the key that signed it vouches for them. What is said of a key
// by who gave it to the checker counts more.
func (c *checker) olderKeys() error {
	if _, there := c.bag.find(keysName); !there {
		return nil
	}
	c.used[keysName] = true
	b, err := c.read(keysName)
	if err != nil || c.bad[keysName] || c.Key.KeyID == "" {
		return err
	}
	brought, err := receipt.ParseKeys(b)
	if err != nil || brought[0].KeyID != c.Key.KeyID {
		c.fault(keysName, "does not hold the keys of who signed the file")
		return nil
	}
	if c.Believed {
		c.Key = brought[0]
	}
	for _, key := range brought {
		if _, given := c.keys.Find(key.KeyID); !given {
			c.keys = append(c.keys, key)
		}
	}
	return nil
}

// distrust remarks what was signed with keys that others may have.
func (c *checker) distrust() {
	if c.Key.Leaked {
		c.Remarks = append(c.Remarks, fmt.Sprintf("the key %s may be in other hands: somebody else may have made this file. Ask the office for one that is signed with its present key", c.Key.KeyID))
	}
	for _, id := range slices.Sorted(maps.Keys(c.leaked)) {
		if id != c.Key.KeyID {
			c.Remarks = append(c.Remarks, fmt.Sprintf("%d receipts are of the key %s, which may be in other hands: they hold because the log has them, for which the key %s vouches", c.leaked[id], id, c.Key.KeyID))
		}
	}
}

// read gives a text file whole; one that is not there is a fault and nil.
func (c *checker) read(name string) ([]byte, error) {
	i, ok := c.bag.find(name)
	if !ok {
		if !c.bad[name] {
			c.wrong(name, "is missing")
		}
		return nil, nil
	}
	size := c.bag.files[i].size
	if c.texts += size; size > maxText || c.texts > maxAllText {
		c.wrong(name, "is longer than a text of a case file can be")
		return nil, nil
	}
	b, err := io.ReadAll(c.bag.content(i))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// parse reads a JSON file that is as it was signed.
func (c *checker) parse(name string, into any) bool {
	c.used[name] = true
	if c.bad[name] {
		return false
	}
	b, err := c.read(name)
	if err == nil && b != nil {
		if err = json.Unmarshal(b, into); err == nil {
			return true
		}
	}
	if err != nil {
		c.wrong(name, "cannot be read: "+err.Error())
	}
	return false
}

// steps checks what the files say: the statement, the logs, the records, the photos.
func (c *checker) steps() error {
	for _, name := range []string{manifestName, signatureName, keyName, pageName, headsName} {
		c.used[name] = true
	}
	if !c.parse(aboutName, &c.About) || c.About.V != 1 {
		c.About = About{}
		c.fault(aboutName, "does not say what the case is")
		return nil
	}
	if err := c.olderKeys(); err != nil {
		return err
	}
	if err := c.statement(); err != nil {
		return err
	}
	for _, l := range c.About.Logs {
		if err := c.log(l); err != nil {
			return err
		}
	}
	c.records()
	for _, l := range c.bag.files {
		if !c.used[l.name] && !c.bad[l.name] {
			c.fault(l.name, "has no place in a case file")
		}
	}
	return nil
}

func (c *checker) statement() error {
	c.heads = map[field.Scope]anchor.Head{}
	b, err := c.read(headsName)
	if err != nil || b == nil || c.bad[headsName] || len(c.keys) == 0 {
		return err
	}
	s, err := anchor.Open(c.keys.Public(), b)
	if err != nil {
		c.wrong(headsName, err.Error())
		return nil
	}
	if id := receipt.KeyID(s.Key); c.Key.KeyID != "" && id != c.Key.KeyID {
		c.fault(headsName, "is signed with the key %s, and the file with %s", id, c.Key.KeyID)
	}
	// Its time is that of the newest entry, which may be older than the key; it cannot be newer than the key's end.
	if signer := (receipt.Key{KeyID: c.Key.KeyID, Until: c.Key.Until}); signer.Signed(s.At) != nil {
		c.fault(headsName, "%v", signer.Signed(s.At))
	}
	c.At = s.At
	for _, h := range s.Heads {
		c.heads[h.Scope] = h
	}
	return nil
}

// log checks the chain of a scope and tells the tale of its entries.
func (c *checker) log(l Log) error {
	if !l.Scope.Valid() {
		c.fault(aboutName, "names %q, which is no scope", l.Scope)
		return nil
	}
	dir := scopeDir(l.Scope)
	chain := dir + chainName
	c.used[chain] = true
	entries := c.entriesOf(l.Scope)
	hashes, err := c.chain(chain, l, entries)
	if err != nil || hashes == nil {
		return err
	}
	head, signed := c.heads[l.Scope]
	if signed && hashes[head.Seq] != head.Hash || !signed && hashes[l.Entries] != "-" {
		c.fault(chain, "does not end where the signed statement in %s says", headsName)
	}
	whole, parts := 0, 0
	for _, e := range entries {
		name := entryName(l.Scope, e.seq, e.whole)
		body, hash := c.entry(name, e.whole)
		if body == nil {
			continue
		}
		claimed := strings.TrimSuffix(hashes[e.seq], "-")
		before, known := hashes[e.seq-1]
		switch {
		case body.Scope != l.Scope || body.Seq != e.seq:
			c.fault(name, "is entry %d of %s", body.Seq, body.Scope)
		case hash != claimed:
			c.fault(name, "has another hash than the chain in %s", chain)
		case known && body.Prev != strings.TrimSuffix(before, "-"):
			c.fault(name, "does not follow on entry %d of the chain in %s", e.seq-1, chain)
		default:
			if err := c.tale.hear(body, hash); err != nil {
				c.fault(name, "cannot be told: %v", err)
				continue
			}
			if e.whole {
				whole++
			} else {
				parts++
			}
		}
	}
	if whole != l.Whole || parts != l.Parts {
		c.fault(dir, "has %d entries whole and %d in part that hold; there should be %d and %d", whole, parts, l.Whole, l.Parts)
	}
	c.Whole += whole
	c.Parts += parts
	return nil
}

type shownAs struct {
	seq   int64
	whole bool
}

// entriesOf lists the entries of which the file holds something, in their order.
func (c *checker) entriesOf(scope field.Scope) (found []shownAs) {
	for _, l := range c.bag.files {
		name, ok := strings.CutPrefix(l.name, scopeDir(scope))
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(name, ".")
		seq, err := strconv.ParseInt(number, 10, 64)
		if err != nil || seq < 1 {
			continue
		}
		for _, whole := range []bool{true, false} {
			if l.name == entryName(scope, seq, whole) {
				found = append(found, shownAs{seq, whole})
			}
		}
	}
	slices.SortFunc(found, func(a, b shownAs) int { return cmp.Compare(a.seq, b.seq) })
	return found
}

// chain reads the hashes of the entries that are shown, of those before them, and of the end; "-" is one that is
// withheld. nil: it cannot be read.
func (c *checker) chain(name string, l Log, entries []shownAs) (map[int64]string, error) {
	i, ok := c.bag.find(name)
	if !ok || c.bad[name] {
		if !c.bad[name] {
			c.wrong(name, "is missing")
		}
		return nil, nil
	}
	hashes := map[int64]string{0: ""}
	for _, e := range entries {
		hashes[e.seq], hashes[e.seq-1] = "", ""
	}
	hashes[l.Entries] = ""
	if h, ok := c.heads[l.Scope]; ok {
		hashes[h.Seq] = ""
	}
	lines := bufio.NewScanner(c.bag.content(i))
	seq, withheld := int64(0), 0
	for lines.Scan() {
		seq++
		number, hash, _ := strings.Cut(lines.Text(), " ")
		if raw, err := hex.DecodeString(hash); number != strconv.FormatInt(seq, 10) || hash != "-" && (err != nil || len(raw) != sha256.Size) {
			c.wrong(name, fmt.Sprintf("line %d is not the hash of entry %d", seq, seq))
			return nil, nil
		}
		if hash == "-" {
			withheld++
		}
		if _, wanted := hashes[seq]; wanted {
			hashes[seq] = hash
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		c.wrong(name, fmt.Sprintf("line %d is not the hash of an entry", seq+1))
		return nil, nil
	}
	if lines.Err() == nil && (seq != l.Entries || withheld != l.Withheld) {
		c.wrong(name, fmt.Sprintf("lists %d entries, %d of them without hash; there should be %d and %d", seq, withheld, l.Entries, l.Withheld))
		return nil, nil
	}
	return hashes, lines.Err()
}

// entry reads an entry or a part of one; nil when it cannot be.
func (c *checker) entry(name string, whole bool) (*protocol.Body, string) {
	if !whole {
		var p Part
		if !c.parse(name, &p) {
			return nil, ""
		}
		return &p.Entry, p.Hash
	}
	c.used[name] = true
	if c.bad[name] {
		return nil, ""
	}
	raw, err := c.read(name)
	if err != nil || raw == nil {
		c.fault(name, "cannot be read")
		return nil, ""
	}
	b, err := protocol.Open(store.Entry{Body: raw})
	if err != nil {
		c.fault(name, "does not parse")
		return nil, ""
	}
	return &b, protocol.HashOf(raw)
}

// records compares the records with the tale, and photos with their receipts.
func (c *checker) records() {
	for id, r := range c.tale.image {
		name := recordName(r.Kind, id)
		if !goodName(name) {
			c.fault(name, "is no name of a record")
			continue
		}
		var filed Filed
		if !c.parse(name, &filed) {
			continue
		}
		if !bytes.Equal(document(filed), document(c.tale.filed(r))) {
			c.fault(name, "is not what the entries of the log say")
			continue
		}
		c.Records++
		if r.Kind.Filing() == field.FiledPicture {
			c.photo(r)
		}
	}
	if clue := c.tale.image[c.About.Clue]; clue == nil || clue.Kind.Filing() != field.FiledClue || clue.Text("number") != c.About.Number {
		c.fault(aboutName, "speaks of a clue that is not in the log")
	}
}

func (c *checker) photo(r *field.Record) {
	small := smallName(r.Text("small"))
	if c.used[small] = true; c.sums[small] != "" && c.sums[small] != r.Text("small") {
		c.fault(small, "is not the rendition that the log names")
	}
	if r.Fields["receipt"] == nil {
		return
	}
	name, original := receiptsDir+string(r.ID)+".json", originalName(r.Text("sha256"), r.Text("type"))
	c.used[original] = true
	var paper, logged receipt.Receipt
	if !c.parse(name, &paper) {
		return
	}
	if err := json.Unmarshal(r.Fields["receipt"], &logged); err != nil || paper != logged {
		c.fault(name, "is not the receipt that is in the log")
		return
	}
	if err := c.keys.Verify(paper); err != nil {
		c.fault(name, "%v", err)
		return
	}
	if key, _ := c.keys.Find(paper.KeyID); key.Leaked {
		c.leaked[key.KeyID]++
	}
	i, ok := c.bag.find(original)
	switch {
	case !ok:
		if !c.bad[original] {
			c.wrong(original, "is missing, and there is a receipt for it")
		}
	case c.sums[original] != paper.SHA256, c.bag.files[i].size != paper.Size, paper.SHA256 != r.Text("sha256"), paper.PhotoID != string(r.ID):
		c.fault(original, "is not the bytes for which receipt %s was given", paper.Number)
	default:
		c.Photos++
	}
}

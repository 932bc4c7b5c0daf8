package phone

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"fieldclue/media/receipt"
	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

// state is all that a phone remembers. It changes only by events.
type state struct {
	Session   session                                  `json:"session"`
	Keys      receipt.Keys                             `json:"keys,omitempty"` // of the server, for receipts
	SkewMS    int64                                    `json:"skewMs,omitempty"`
	Records   map[field.RecordID]protocol.PulledRecord `json:"records"`
	Cursors   map[field.Scope]protocol.Cursor          `json:"cursors"`
	Groups    map[string]bool                          `json:"groups"`
	Queue     []queued                                 `json:"queue"`               // in the order in which they were written
	Sealed    []sealed                                 `json:"sealed"`              // batches without an answer; the first goes first
	Kept      []kept                                   `json:"kept,omitempty"`      // batches with an answer, until a backup is sure to hold them
	Receipted []receipted                              `json:"receipted,omitempty"` // photos with a receipt, the newest last, while their files are kept
	Doubted   bool                                     `json:"doubted,omitempty"`   // the server has lost one of these: are the others there?
	Bytes     int                                      `json:"bytes,omitempty"`     // of a page, as the link allows
	LastBatch int64                                    `json:"lastBatch"`
	Last      map[field.Scope]int64                    `json:"last,omitempty"` // the newest batch that was sealed for each scope
	Photos    map[field.RecordID]*photo                `json:"photos"`
	Written   map[field.RecordID]*Written              `json:"written"`
	Order     []field.RecordID                         `json:"order"` // of Written
	Problems  []Problem                                `json:"problems"`
	Stats     Stats                                    `json:"stats"`
}

func newState() *state {
	return &state{
		Records: map[field.RecordID]protocol.PulledRecord{}, Cursors: map[field.Scope]protocol.Cursor{}, Groups: map[string]bool{},
		Photos: map[field.RecordID]*photo{}, Written: map[field.RecordID]*Written{},
	}
}

type session struct {
	User    field.UserID `json:"user,omitempty"`
	Access  string       `json:"access,omitempty"`
	Refresh string       `json:"refresh,omitempty"`
}

// queued is an operation that was not sent yet.
type queued struct {
	Group string             `json:"group"`
	Scope field.Scope        `json:"scope"`
	Op    protocol.Operation `json:"op"`
	File  string             `json:"file,omitempty"`
	After []field.RecordID   `json:"after,omitempty"`
	Seen  *protocol.Cursor   `json:"seen,omitempty"` // the cursor that was dropped since, because the scope starts afresh; nil: the one that there is
}

// sealed is a batch that has its number and its bytes for good.
type sealed struct {
	Batch      int64           `json:"batch"`
	Scope      field.Scope     `json:"scope"`
	Operations int             `json:"operations"`
	Body       json.RawMessage `json:"body"`
	Tried      bool            `json:"tried,omitempty"`
}

// kept is a batch that was answered. Its bytes stay for a while: a server that is restored from a backup asks for them.
type kept struct {
	sealed
	Hash   string `json:"hash"`
	Proven bool   `json:"proven,omitempty"` // a pull has said since that the log holds it
}

// receipted is a photo whose file is kept for a while: a server that is restored from a backup asks for it.
type receipted struct {
	Photo  field.RecordID `json:"photo"`
	Proven bool           `json:"proven,omitempty"` // a pull has said since that the server has it
}

// How many batches are kept, and how many bytes of them, besides the newest.
const (
	mostKept      = 500
	mostKeptBytes = 1 << 20
)

type photo struct {
	File    string           `json:"file"` // base name
	SHA256  string           `json:"sha256"`
	Size    int64            `json:"size"`
	Type    string           `json:"type"`
	Upload  string           `json:"upload,omitempty"` // where the server takes the bytes
	Receipt *receipt.Receipt `json:"receipt,omitempty"`
}

// Written is a record as it was written on a phone: every path with its last value there.
type Written struct {
	ID     field.RecordID         `json:"id"`
	Kind   field.Kind             `json:"kind"`
	Scope  field.Scope            `json:"scope"`
	Made   bool                   `json:"made"` // on this phone; otherwise only changed here
	Fields map[string]field.Value `json:"fields"`
}

// event is one change of the state: exactly one member is set.
type event struct {
	Snapshot *state        `json:"snapshot,omitempty"`
	Session  *session      `json:"session,omitempty"`
	Key      *keyEvent     `json:"key,omitempty"`
	Page     *pageEvent    `json:"page,omitempty"`
	Group    *groupEvent   `json:"group,omitempty"`
	Seal     *sealEvent    `json:"seal,omitempty"`
	Renumber *renumber     `json:"renumber,omitempty"`
	Answer   *answerEvent  `json:"answer,omitempty"`
	Upload   *uploadEvent  `json:"upload,omitempty"`
	Freed    *freedEvent   `json:"freed,omitempty"`
	Traffic  *trafficEvent `json:"traffic,omitempty"`
}

type keyEvent struct {
	Keys receipt.Keys `json:"keys"`
}

type pageEvent struct {
	protocol.PullResponse
	Asked  []int64          `json:"asked,omitempty"`  // after batches with these numbers
	Photos []field.RecordID `json:"photos,omitempty"` // after these photos
	All    bool             `json:"all,omitempty"`    // these are all that are kept
	SkewMS int64            `json:"skewMs"`
}

type groupEvent struct {
	Name string   `json:"name"`
	Ops  []queued `json:"ops"`
}

// sealEvent takes operations, by their places in the queue, into a batch.
type sealEvent struct {
	sealed
	Places []int `json:"places"`
}

// renumber gives a batch whose number was used for other content a new one.
type renumber struct {
	Old   int64           `json:"old"`
	New   int64           `json:"new"`
	Scope field.Scope     `json:"scope"`
	Body  json.RawMessage `json:"body"`
}

type answerEvent struct {
	Batch  int64                 `json:"batch"`
	Answer protocol.PushResponse `json:"answer"`
}

type uploadEvent struct {
	Photo   field.RecordID   `json:"photo"`
	Upload  string           `json:"upload"`
	Receipt *receipt.Receipt `json:"receipt,omitempty"`
}

// freedEvent says that the file of a photo was removed, because its receipt does not ask for it any longer.
type freedEvent struct {
	Photo field.RecordID `json:"photo"`
}

type trafficEvent struct {
	Sent    int64 `json:"sent,omitempty"`
	Resent  int64 `json:"resent,omitempty"`
	Retries int   `json:"retries,omitempty"`
	Tried   int64 `json:"tried,omitempty"` // number of the batch that is about to be sent
}

func (s *state) apply(e event) {
	switch {
	case e.Snapshot != nil:
		*s = *e.Snapshot
	case e.Session != nil:
		s.Session = *e.Session
	case e.Key != nil:
		s.Keys = e.Key.Keys
	case e.Page != nil:
		s.applyPage(e.Page)
	case e.Group != nil:
		s.applyGroup(e.Group)
	case e.Seal != nil:
		s.applySeal(e.Seal)
	case e.Renumber != nil:
		for i := range s.Sealed {
			if s.Sealed[i].Batch == e.Renumber.Old {
				s.Sealed[i].Batch, s.Sealed[i].Body, s.Sealed[i].Tried = e.Renumber.New, e.Renumber.Body, false
			}
		}
		s.sealedLast(e.Renumber.Scope, e.Renumber.New)
	case e.Answer != nil:
		s.applyAnswer(e.Answer)
	case e.Upload != nil:
		if ph := s.Photos[e.Upload.Photo]; ph != nil {
			if ph.Upload, ph.Receipt = e.Upload.Upload, e.Upload.Receipt; ph.Receipt != nil {
				s.Receipted = append(s.Receipted, receipted{Photo: e.Upload.Photo})
			}
		}
	case e.Freed != nil:
		s.Receipted = slices.DeleteFunc(s.Receipted, func(r receipted) bool { return r.Photo == e.Freed.Photo })
	case e.Traffic != nil:
		s.Stats.BytesSent += e.Traffic.Sent
		s.Stats.BytesResent += e.Traffic.Resent
		s.Stats.Retries += e.Traffic.Retries
		for i := range s.Sealed {
			if s.Sealed[i].Batch == e.Traffic.Tried {
				s.Sealed[i].Tried = true
			}
		}
	}
}

// journal is a file of events, one a line, each with its CRC-32. A line counts when it is whole; what follows the last
// whole line was being written when the process ended.
type journal struct {
	path string
	f    *os.File
}

const compactAfter = 3 << 20 // bytes

func openJournal(path string, into *state) (*journal, error) {
	good, err := replay(path, into)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(good); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(good, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	j := &journal{path: path, f: f}
	if good == 0 {
		if err := syncDir(filepath.Dir(path)); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	if good > compactAfter {
		if err := j.compact(into); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return j, nil
}

// replay reads the events into the state and returns where the last whole line ends.
func replay(path string, into *state) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // only read
	r := bufio.NewReaderSize(f, 1<<16)
	var good int64
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return good, nil
		}
		if err != nil {
			return 0, err
		}
		e, err := parseLine(line)
		if err != nil {
			if _, peek := r.Peek(1); errors.Is(peek, io.EOF) {
				return good, nil
			}
			return 0, fmt.Errorf("%s is damaged at byte %d: %w", path, good, err)
		}
		into.apply(e)
		good += int64(len(line))
	}
}

func parseLine(line []byte) (event, error) {
	var e event
	sum, body, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	if !ok {
		return e, errors.New("no checksum")
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || crc32.ChecksumIEEE(body) != uint32(want) {
		return e, errors.New("wrong checksum")
	}
	return e, json.Unmarshal(body, &e)
}

func encodeLine(e event) ([]byte, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	line := fmt.Appendf(nil, "%08x ", crc32.ChecksumIEEE(body))
	return append(append(line, body...), '\n'), nil
}

func (j *journal) append(e event) error {
	line, err := encodeLine(e)
	if err != nil {
		return err
	}
	if _, err := j.f.Write(line); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return j.f.Sync()
}

// compact replaces the events by one that holds the whole state.
func (j *journal) compact(s *state) error {
	line, err := encodeLine(event{Snapshot: s})
	if err != nil {
		return err
	}
	if err := WriteFile(j.path, line); err != nil {
		return err
	}
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	old := j.f
	j.f = f
	return old.Close()
}

func (j *journal) close() error { return j.f.Close() }

// WriteFile replaces a file as a whole: after a crash there is the old content or the new, never a part.
func WriteFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

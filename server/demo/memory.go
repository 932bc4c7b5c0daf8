package demo

import (
	"bufio"
	"bytes"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fieldclue/sync/phone"
)

// story is what a run decides by chance, once for a directory.
type story struct {
	Seed   string    `json:"seed"`   // ids, pictures and links derive from it
	Start  time.Time `json:"start"`  // when the story was begun; its visits lie in the hours before
	Secret []byte    `json:"secret"` // passwords derive from it
}

// memory is what the demo has done so far. A step that has finished is never played again; one that was cut off is
// played again and must end the same way, so every step either writes under ids and keys that derive from the story, or
// looks first whether it was done.
type memory struct {
	story story

	mu   sync.Mutex // guards the rest
	done map[string]json.RawMessage
	f    *os.File
}

func remember(dir string) (*memory, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	m := &memory{done: map[string]json.RawMessage{}}
	if err := m.begin(filepath.Join(dir, "story.json")); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "steps")
	good, err := m.read(path)
	if err != nil {
		return nil, err
	}
	if m.f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := m.f.Truncate(good); err != nil {
		return nil, errors.Join(err, m.f.Close())
	}
	if _, err := m.f.Seek(good, 0); err != nil {
		return nil, errors.Join(err, m.f.Close())
	}
	return m, nil
}

func (m *memory) begin(path string) error {
	raw, err := os.ReadFile(path)
	if err == nil {
		return json.Unmarshal(raw, &m.story)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var b [48]byte
	_, _ = crand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	m.story = story{Seed: hex.EncodeToString(b[:16]), Start: time.Now().UTC().Truncate(time.Second), Secret: b[16:]}
	if raw, err = json.Marshal(m.story); err != nil {
		return err
	}
	return phone.WriteFile(path, raw)
}

// read loads the finished steps. A last line without its end was being written when the process ended.
func (m *memory) read(path string) (int64, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	good := bytes.LastIndexByte(raw, '\n') + 1
	s := bufio.NewScanner(bytes.NewReader(raw[:good]))
	s.Buffer(nil, len(raw)+1)
	for s.Scan() {
		var line finished
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			return 0, fmt.Errorf("%s is damaged: %w", path, err)
		}
		m.done[line.Step] = line.Result
	}
	return int64(good), s.Err()
}

type finished struct {
	Step   string          `json:"step"`
	Result json.RawMessage `json:"result"`
}

func (m *memory) finish(name string, result any) error {
	raw, err := json.Marshal(result)
	if err != nil {
		return err
	}
	line, err := json.Marshal(finished{name, raw})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.f.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := m.f.Sync(); err != nil {
		return err
	}
	m.done[name] = raw
	return nil
}

func (m *memory) recall(name string) (json.RawMessage, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	raw, ok := m.done[name]
	return raw, ok
}

func (m *memory) steps() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.done)
}

func (m *memory) close() error { return m.f.Close() }

// password is what a person of the story signs in with.
func (m *memory) password(login string) string {
	h := sha256.Sum256(append(append([]byte{}, m.story.Secret...), login...))
	return "demo-" + base32.StdEncoding.EncodeToString(h[:10])
}

// number is a number for a purpose, the same in every run on this directory.
func (m *memory) number(purpose string) uint64 {
	h := sha256.Sum256([]byte(m.story.Seed + purpose))
	return binary.BigEndian.Uint64(h[:8])
}

// step plays one step of the story unless it was finished in an earlier run, and returns its result either way.
func step[T any](d *demo, name string, play func() (T, error)) (T, error) {
	var result T
	if raw, ok := d.memory.recall(name); ok {
		if err := json.Unmarshal(raw, &result); err != nil {
			return result, fmt.Errorf("%s: %w", name, err)
		}
		return result, nil
	}
	result, err := play()
	if err != nil {
		return result, fmt.Errorf("%s: %w", name, err)
	}
	return result, d.memory.finish(name, result)
}

// once is step for what has no result.
func once(d *demo, name string, play func() error) error {
	_, err := step(d, name, func() (bool, error) { return true, play() })
	return err
}

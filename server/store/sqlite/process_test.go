package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/server/store/sqlite"
)

const childDir = "FIELDCLUE_TEST_SQLITE_CHILD"

// TestChild is the other process of TestKill: it commits until it is killed, and says what was acknowledged.
func TestChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("runs only as a child of TestKill")
	}
	s, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range clients {
		go func() {
			p := newPhone(i)
			for {
				w := p.push(3, 1000)
				if err := s.Commit(context.Background(), []store.Write{w}); err != nil {
					fmt.Println("failed", err, 0)
					return
				}
				if _, err := fmt.Println("ack", w.Head.Scope, w.Head.Seq); err != nil {
					return // the parent has gone
				}
			}
		}()
	}
	select {}
}

// A server is killed while it writes: what it had acknowledged is there, and nothing is there in part. While it lives,
// a second one is refused and a reader is not.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run", "^TestChild$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	acked := map[field.Scope]int64{}
	lines := bufio.NewScanner(out)
	read := func() bool {
		var word, scope string
		var seq int64
		if !lines.Scan() {
			return false
		}
		if n, err := fmt.Sscan(lines.Text(), &word, &scope, &seq); n != 3 || err != nil || word != "ack" {
			return true // cut by the kill, or a line of the test runner
		}
		acked[field.Scope(scope)] = seq
		return true
	}
	for range 300 {
		if !read() {
			t.Fatal("the child ended early")
		}
	}

	if _, err := sqlite.Open(t.Context(), dir); !field.Is(err, field.CodeStoreDown) {
		t.Errorf("a second server on the directory: %v, want %s", err, field.CodeStoreDown)
	}
	reader, err := sqlite.OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for scope, seq := range acked {
		if head, err := reader.Head(t.Context(), scope); err != nil || head.Seq < seq {
			t.Errorf("a reader sees head %d of %s, %v; %d was acknowledged", head.Seq, scope, err, seq)
		}
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for read() { // what was acknowledged before the kill
	}
	_ = child.Wait() // killed, as it should be

	s, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	heads, err := s.Heads(t.Context(), store.ListScopes{Visible: access.Everything, Limit: 99})
	if err != nil || len(heads) < len(acked) {
		t.Fatalf("%d heads of %d, %v", len(heads), len(acked), err)
	}
	for _, h := range heads {
		if h.Seq < acked[h.Scope] {
			t.Errorf("%s ends at %d; %d was acknowledged", h.Scope, h.Seq, acked[h.Scope])
		}
		entries, err := s.Entries(t.Context(), h.Scope, 0, 1<<30)
		if err != nil || int64(len(entries)) != h.Seq || entries[len(entries)-1].Hash != h.Hash {
			t.Errorf("%s has %d entries and head %d, %v", h.Scope, len(entries), h.Seq, err)
		}
		prev := ""
		for i, e := range entries {
			if e.Seq != int64(i+1) || e.Prev != prev {
				t.Fatalf("%s: entry %d does not follow", h.Scope, e.Seq)
			}
			prev = e.Hash
		}
		records, err := s.Changed(t.Context(), h.Scope, 0, 1<<60, 1<<30)
		if err != nil || int64(len(records)) != 3*h.Seq {
			t.Errorf("%s has %d records at head %d, %v", h.Scope, len(records), h.Seq, err)
		}
	}
}

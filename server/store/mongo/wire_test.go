package mongo

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/bson"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// notary stands between the driver and a server that takes the commands of a transaction and knows no end of one. It
// answers commits and aborts itself, as told, and keeps what it saw. So the conversation of a commit is tested where no
// mongod is; that a transaction keeps its promises is not.
type notary struct {
	listener net.Listener
	server   string

	mu      sync.Mutex // guards the fields below
	commits []bson.D   // answers to the next commits; then ok. nil: the connection breaks instead
	seen    []bson.Raw
}

func startNotary(t *testing.T, uri string) *notary {
	t.Helper()
	parsed, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	n := &notary{server: parsed.Host}
	if n.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := n.listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { n.serve(client) })
		}
	})
	t.Cleanup(func() {
		if err := n.listener.Close(); err != nil {
			t.Error(err)
		}
		open.Wait()
	})
	return n
}

func (n *notary) serve(client net.Conn) {
	defer func() { _ = client.Close() }() // the driver is gone, or is meant to be
	server, err := net.Dial("tcp", n.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }() // nothing more is asked of it
	for {
		message, err := readMessage(client)
		if err != nil {
			return
		}
		answer, mine := n.answer(message)
		switch {
		case mine && answer == nil:
			return
		case !mine:
			if _, err = server.Write(outside(message)); err == nil {
				answer, err = readMessage(server)
			}
			if err != nil {
				return
			}
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

// outside takes a command out of its transaction, for a server that does not know the words.
func outside(message []byte) []byte {
	if binary.LittleEndian.Uint32(message[12:]) != opMsg || message[headerLength+4] != 0 {
		return message
	}
	body := bson.Raw(message[headerLength+5:])
	length := binary.LittleEndian.Uint32(body)
	rest := body[length:] // document sequences follow the body
	var kept bson.D
	if err := bson.Unmarshal(body[:length], &kept); err != nil {
		return message
	}
	kept = slices.DeleteFunc(kept, func(e bson.E) bool {
		return slices.Contains([]string{"readConcern", "startTransaction", "autocommit", "txnNumber"}, e.Key)
	})
	raw, err := bson.Marshal(kept)
	if err != nil {
		return message
	}
	out := slices.Concat(message[:headerLength+5], raw, rest)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return out
}

const (
	headerLength = 16 // length, request id, response to, opcode
	opMsg        = 2013
)

func readMessage(from io.Reader) ([]byte, error) {
	header := make([]byte, headerLength)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	message := make([]byte, binary.LittleEndian.Uint32(header))
	copy(message, header)
	_, err := io.ReadFull(from, message[headerLength:])
	return message, err
}

// answer says whether the notary answers a message itself, and with what.
func (n *notary) answer(message []byte) (reply []byte, mine bool) {
	if binary.LittleEndian.Uint32(message[12:]) != opMsg || message[headerLength+4] != 0 {
		return nil, false
	}
	body := bson.Raw(message[headerLength+5:])
	body = body[:binary.LittleEndian.Uint32(body)]
	first, err := body.IndexErr(0)
	if err != nil {
		return nil, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = append(n.seen, slices.Clone(body))
	doc := bson.D{{Key: "ok", Value: 1}}
	switch first.Key() {
	case "commitTransaction":
		if len(n.commits) > 0 {
			doc, n.commits = n.commits[0], n.commits[1:]
		}
	case "abortTransaction":
	default:
		return nil, false
	}
	if doc == nil {
		return nil, true
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, true
	}
	reply = make([]byte, headerLength+5, headerLength+5+len(raw))
	binary.LittleEndian.PutUint32(reply, uint32(cap(reply)))
	copy(reply[8:], message[4:8])
	binary.LittleEndian.PutUint32(reply[12:], opMsg)
	return append(reply, raw...), true
}

// transaction lists the commands seen since the last call that were part of one.
func (n *notary) transaction() (names []string, first, last bson.Raw) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.seen {
		if _, err := c.LookupErr("autocommit"); err == nil {
			if first == nil {
				first = c
			}
			last = c
			names = append(names, c.Index(0).Key())
		}
	}
	n.seen = nil
	return names, first, last
}

func TestConversationOfACommit(t *testing.T) {
	db := newDatabase(t)
	if engine.Transactional {
		t.Skip("the server has transactions: the contract tests more")
	}
	n := startNotary(t, engine.URI)
	o := optionsFor(db)
	o.URI = "mongodb://" + n.listener.Addr().String() + "/"
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.server.standIn = false
	if err := s.tryTransaction(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.transaction()

	a, b := next(store.Head{Scope: "org/aa"}, note("1", "one"), note("2", "two")), next(store.Head{Scope: "org/bb"}, note("3", "three"))
	if err := s.Commit(t.Context(), []store.Write{a, b}); err != nil {
		t.Fatal(err)
	}
	names, first, last := n.transaction()
	if want := []string{"insert", "insert", "insert", "insert", "commitTransaction"}; !slices.Equal(names, want) {
		t.Fatalf("commands %v, want two heads, the entries, the records, the end: %v", names, want)
	}
	if v := first.Lookup("readConcern", "level").StringValue(); v != "snapshot" || !first.Lookup("startTransaction").Boolean() {
		t.Fatalf("the transaction starts with %s", first)
	}
	if c := last.Lookup("writeConcern").Document(); c.Lookup("w").StringValue() != "majority" || !c.Lookup("j").Boolean() {
		t.Fatalf("the transaction ends with %s", last)
	}

	// The answer to a commit is lost with its connection, then the server does not know, then it does.
	unknown := bson.D{
		{Key: "ok", Value: 0},
		{Key: "code", Value: codeShutdownInProgress},
		{Key: "errmsg", Value: "shutting down"},
		{Key: "errorLabels", Value: bson.A{"RetryableWriteError"}},
	}
	n.commits = []bson.D{nil, unknown, {{Key: "ok", Value: 1}}}
	edited := note("1", "one, edited")
	w := next(a.Head, edited, note("4", "four"))
	edited.CreatedAt = start.Add(-1)
	if err := s.Commit(t.Context(), []store.Write{w}); err != nil {
		t.Fatal(err)
	}
	names, _, _ = n.transaction()
	if want := []string{"update", "insert", "insert", "update", "commitTransaction", "commitTransaction", "commitTransaction"}; !slices.Equal(names, want) {
		t.Fatalf("commands %v, want %v", names, want)
	}

	// At a head that is gone: refused inside, given up.
	if err := s.Commit(t.Context(), []store.Write{next(a.Head, note("5", "never"))}); !errors.Is(err, store.ErrBatchKnown) && !errors.Is(err, store.ErrHeadMoved) {
		t.Fatalf("at a head that is gone: %v", err)
	}
	s.aborts.Wait()
	if names, _, _ = n.transaction(); !slices.Equal(names, []string{"update", "abortTransaction"}) {
		t.Fatalf("commands %v, want the head and the abort", names)
	}

	// The primary steps down and undoes the transaction; by then another process has written (here: this one, because
	// the server undoes nothing).
	undone := bson.D{
		{Key: "ok", Value: 0},
		{Key: "code", Value: 251},
		{Key: "errmsg", Value: "no such transaction"},
		{Key: "errorLabels", Value: bson.A{"TransientTransactionError"}},
	}
	n.commits = []bson.D{undone}
	if err := s.Commit(t.Context(), []store.Write{next(w.Head)}); !errors.Is(err, store.ErrBatchKnown) {
		t.Fatalf("undone by the server: %v", err)
	}

	s.server.standIn = true
	head, err := s.Head(t.Context(), "org/bb")
	if err != nil || head.Hash != b.Head.Hash {
		t.Fatalf("head %+v, %v", head, err)
	}
	records, err := s.List(t.Context(), store.Query{Visible: access.Everything, Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	got := map[field.RecordID]string{}
	for _, r := range records {
		got[r.ID] = r.Text("summary")
	}
	if len(got) != 4 || got["1"] != "one, edited" || got["4"] != "four" {
		t.Fatalf("records %v", got)
	}
}

package mongotest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// open finds or starts a server. binary is empty for a server that was named.
func open(ctx context.Context, dir string) (uri, binary string, stop func(), err error) {
	if uri := os.Getenv(uriVariable); uri != "" {
		return uri, "", func() {}, nil
	}
	if mongod, err := exec.LookPath("mongod"); err == nil {
		uri, stop, err := startMongod(ctx, mongod, dir)
		return uri, mongod, stop, err
	}
	if ferret := findFerretDB(); ferret != "" {
		uri, stop, err := startFerretDB(ctx, ferret, dir)
		return uri, ferret, stop, err
	}
	return "", "", nil, ErrNone
}

func findFerretDB() string {
	if tools := os.Getenv(toolsVariable); tools != "" {
		path := filepath.Join(tools, "bin", "ferretdb")
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	path, err := exec.LookPath("ferretdb")
	if err != nil {
		return ""
	}
	return path
}

// startMongod runs a replica set of one node and waits until it is primary.
func startMongod(ctx context.Context, binary, dir string) (string, func(), error) {
	data := filepath.Join(dir, "mongod")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", nil, err
	}
	address, stop, err := run(ctx, filepath.Join(dir, "mongod.log"), func(address string) *exec.Cmd {
		host, port, _ := strings.Cut(address, ":")
		return exec.Command(binary, "--replSet", "rs0", "--dbpath", data, "--bind_ip", host, "--port", port)
	})
	if err != nil {
		return "", nil, err
	}
	if err := initiate(ctx, address); err != nil {
		stop()
		return "", nil, fmt.Errorf("mongotest: initiate the replica set of mongod: %w", err)
	}
	return "mongodb://" + address + "/?replicaSet=rs0", stop, nil
}

// initiate makes the server at address a replica set of one and waits until it takes writes.
func initiate(ctx context.Context, address string) error {
	client, err := mongo.Connect(ctx, options.Client().ApplyURI("mongodb://"+address+"/?directConnection=true"))
	if err != nil {
		return err
	}
	// The client only set the server up; a failed goodbye changes nothing.
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	admin := client.Database("admin")
	set := bson.D{
		{Key: "_id", Value: "rs0"},
		{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: address}}}},
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: set}}).Err(); err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		var hello struct {
			Primary bool `bson:"ismaster"`
		}
		err := admin.RunCommand(ctx, bson.D{{Key: "isMaster", Value: 1}}).Decode(&hello)
		return hello.Primary, err
	})
}

func startFerretDB(ctx context.Context, binary, dir string) (string, func(), error) {
	data := filepath.Join(dir, "ferretdb")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", nil, err
	}
	address, stop, err := run(ctx, filepath.Join(dir, "ferretdb.log"), func(address string) *exec.Cmd {
		// What it holds is thrown away with the test: it need not outlive the machine, only its own end. It decodes
		// whole collections for every look, and spends half of its time on collecting that again unless it may use some
		// memory.
		cmd := exec.Command(binary, "--handler=sqlite", "--sqlite-url=file:"+data+"/?_pragma=synchronous(off)", "--listen-addr="+address,
			"--state-dir="+data, "--debug-addr=-", "--telemetry=disable")
		cmd.Env = append(os.Environ(), "DO_NOT_TRACK=true", "FERRETDB_STOP_WITH_STDIN=1", "GOGC=400")
		return cmd
	})
	if err != nil {
		return "", nil, err
	}
	return "mongodb://" + address + "/", stop, nil
}

// run starts the command that build makes for a free loopback address, with its output in the file named log, and waits
// until the address answers. Two processes may be told the same free port, so a start that fails is repeated twice.
func run(ctx context.Context, log string, build func(address string) *exec.Cmd) (string, func(), error) {
	var err error
	for range 3 {
		var address string
		var stop func()
		if address, err = freeAddress(); err != nil {
			return "", nil, err
		}
		if stop, err = runOnce(ctx, log, address, build(address)); err == nil {
			return address, stop, nil
		}
	}
	return "", nil, err
}

func runOnce(ctx context.Context, log, address string, cmd *exec.Cmd) (func(), error) {
	output, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = output, output
	// The pipe is never written to: it closes when this process ends.
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, output.Close())
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, input.Close(), output.Close())
	}
	var cause error // set before gone is closed
	gone := make(chan struct{})
	go func() {
		cause = cmd.Wait()
		close(gone)
	}()
	stop := func() {
		// The process may have ended by itself, and its exit says nothing once it was killed; the log file was for a
		// person to read.
		_ = cmd.Process.Kill()
		<-gone
		_ = output.Close()
	}
	err = poll(ctx, func() (bool, error) {
		select {
		case <-gone:
			return false, fmt.Errorf("mongotest: %s ended at start: %w\n%s", filepath.Base(cmd.Path), cause, tail(log))
		default:
		}
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false, nil
		}
		return true, conn.Close()
	})
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// poll asks every 20 ms until the answer is yes, an error, or ctx ends.
func poll(ctx context.Context, ask func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := ask(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// tail is the end of a log, for an error message.
func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	// Only read from: nothing is lost when closing fails.
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, 64<<10))
	if err != nil {
		return err.Error()
	}
	const keep = 2000
	if len(text) > keep {
		text = text[len(text)-keep:]
	}
	return string(text)
}

// describe turns the server's own answers into a Server.
func describe(uri, version, ferretdb, setName, helloMsg, binary string) Server {
	if ferretdb != "" {
		if ferretdb == "unknown" && binary != "" {
			ferretdb = askVersion(binary)
		}
		return Server{
			URI: uri, Engine: "ferretdb", Version: strings.TrimPrefix(ferretdb, "v"),
			detail: "SQLite backend, claims MongoDB " + version + ", ignores transactions",
		}
	}
	server := Server{URI: uri, Engine: "mongodb", Version: version, detail: "stand-alone, no transactions"}
	switch {
	case setName != "":
		server.Transactional, server.detail = true, "replica set "+setName
	case helloMsg == "isdbgrid":
		server.Transactional, server.detail = true, "sharded cluster"
	}
	return server
}

// askVersion runs "BINARY --version" and takes the word after "version:".
func askVersion(binary string) string {
	out, err := exec.Command(binary, "--version").Output()
	if err != nil {
		return "unknown"
	}
	words := strings.Fields(string(out))
	for i, word := range words[:max(0, len(words)-1)] {
		if word == "version:" {
			return words[i+1]
		}
	}
	return "unknown"
}

// redact removes the password from a URI before it is printed.
func redact(uri string) string {
	parsed, err := url.Parse(uri)
	if err != nil {
		return "(unreadable URI)"
	}
	return parsed.Redacted()
}

// Drop removes a database that was made for a test.
func Drop(ctx context.Context, uri, database string) error {
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(uri))
	if err != nil {
		return err
	}
	return errors.Join(client.Database(database).Drop(ctx), client.Disconnect(ctx))
}

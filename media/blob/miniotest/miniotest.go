// Package miniotest finds or starts a real MinIO for tests and measurements.
//
// Start is for tests, Launch for programs. Both look for FIELDCLUE_TEST_S3_ENDPOINT (a server that runs already), then
// for an executable: ../shared/bin/minio above the module, $FIELDCLUE_TOOLS/bin/minio, minio on PATH. StartServer and
// Run always start one of their own, which can be killed and restarted in the middle of everything.
package miniotest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Config says how to reach the server and what it is.
type Config struct {
	Endpoint, AccessKey, SecretKey string
	Version                        string // such as "minio RELEASE.2026-02-12…"
}

// ErrNoServer means that there is neither a running server nor an executable.
var ErrNoServer = errors.New("no minio executable (FIELDCLUE_TEST_S3_ENDPOINT is not set; looked in ../shared/bin, $FIELDCLUE_TOOLS/bin and PATH)")

var say sync.Once

// Start gives a test a MinIO that is stopped when the test ends. Without one it skips the test, or fails it when
// FIELDCLUE_REQUIRE_ENGINES is 1.
func Start(t testing.TB) Config {
	t.Helper()
	cfg, stop, err := Launch(t.TempDir())
	settle(t, cfg, err)
	t.Cleanup(stop)
	return cfg
}

// StartServer is Start for a test that kills its server.
func StartServer(t testing.TB) *Server {
	t.Helper()
	s, err := Run(t.TempDir())
	if err != nil {
		settle(t, Config{}, err)
	}
	settle(t, s.Config, nil)
	t.Cleanup(s.Kill)
	return s
}

func settle(t testing.TB, cfg Config, err error) {
	t.Helper()
	if errors.Is(err, ErrNoServer) {
		if os.Getenv("FIELDCLUE_REQUIRE_ENGINES") == "1" {
			t.Fatalf("blob suite on MinIO: %v, and FIELDCLUE_REQUIRE_ENGINES is 1", err)
		}
		t.Skipf("blob suite on MinIO: skipped, %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("engine: %s", cfg.Version)
	say.Do(func() { fmt.Println("engine: " + cfg.Version) })
}

// Launch names the server that runs already, or starts one on loopback that keeps its data in dir. The caller calls
// stop, which waits for its end.
func Launch(dir string) (cfg Config, stop func(), err error) {
	if endpoint := os.Getenv("FIELDCLUE_TEST_S3_ENDPOINT"); endpoint != "" {
		return Config{
			Endpoint:  endpoint,
			AccessKey: os.Getenv("FIELDCLUE_TEST_S3_ACCESS_KEY"),
			SecretKey: os.Getenv("FIELDCLUE_TEST_S3_SECRET_KEY"),
			Version:   "S3 at " + endpoint,
		}, func() {}, nil
	}
	s, err := Run(dir)
	if err != nil {
		return Config{}, nil, err
	}
	return s.Config, s.Kill, nil
}

// Server is a MinIO that was started here. Its methods may be called from one goroutine at a time.
type Server struct {
	Config
	Dir  string // where it keeps its data
	exe  string
	life *life // the latest
}

// life is one process of a server.
type life struct {
	cmd  *exec.Cmd
	out  bytes.Buffer  // complete when gone is closed
	gone chan struct{} // closed when it has ended
}

// patience bounds a start.
const patience = time.Minute

// Run starts a server on loopback that keeps its data in dir. The caller calls Kill in the end.
func Run(dir string) (*Server, error) {
	exe, err := find()
	if err != nil {
		return nil, err
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	s := &Server{Dir: dir, exe: exe}
	s.Config = Config{AccessKey: "fieldclue", SecretKey: hex.EncodeToString(random[:]), Version: version(exe)}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for tries := 0; ; tries++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		s.Endpoint = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, err
		}
		err = s.start(ctx)
		if err == nil {
			return s, nil
		}
		if tries == 3 { // another program may take the port between the look and the start
			return nil, err
		}
	}
}

// Kill ends the server with SIGKILL, whatever it is doing, and waits until it is gone. Killing it twice is no error.
func (s *Server) Kill() {
	_ = s.life.cmd.Process.Kill() // it may have ended by itself
	<-s.life.gone
}

// Restart kills the server if it runs, starts it again on the same port and the same data, and waits until it serves.
func (s *Server) Restart(ctx context.Context) error {
	s.Kill()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for tries := 0; ; tries++ {
		err := s.start(ctx)
		if err == nil || tries == 9 || ctx.Err() != nil { // a connection may sit on the port for a moment
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// start begins another life and waits until it serves.
func (s *Server) start(ctx context.Context) error {
	l := &life{gone: make(chan struct{})}
	l.cmd = exec.Command(s.exe, "server", "--quiet", "--address", s.Endpoint, s.Dir)
	l.cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+s.AccessKey, "MINIO_ROOT_PASSWORD="+s.SecretKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "HOME="+s.Dir)
	l.cmd.Stdout, l.cmd.Stderr = &l.out, &l.out
	if err := l.cmd.Start(); err != nil {
		return err
	}
	s.life = l
	go func() {
		_ = l.cmd.Wait() // its end is all we wait for
		close(l.gone)
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Endpoint+"/", nil)
		if err != nil {
			s.Kill()
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()                        // nothing was read
			if resp.StatusCode == http.StatusForbidden { // not 503: it knows its users, so it can serve
				return nil
			}
		}
		select {
		case <-l.gone:
			return fmt.Errorf("minio ended at its start: %s", l.out.String())
		case <-ctx.Done():
			s.Kill()
			return fmt.Errorf("minio did not become ready: %s", l.out.String())
		case <-tick.C:
		}
	}
}

func find() (string, error) {
	var places []string
	if dir, err := os.Getwd(); err == nil {
		for {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				places = append(places, filepath.Join(dir, "..", "shared", "bin", "minio"))
				break
			}
			up := filepath.Dir(dir)
			if up == dir {
				break
			}
			dir = up
		}
	}
	if tools := os.Getenv("FIELDCLUE_TOOLS"); tools != "" {
		places = append(places, filepath.Join(tools, "bin", "minio"))
	}
	for _, p := range places {
		if st, err := os.Stat(p); err == nil && !st.IsDir() && st.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	if p, err := exec.LookPath("minio"); err == nil {
		return p, nil
	}
	return "", ErrNoServer
}

func version(exe string) string {
	out, err := exec.Command(exe, "--version").Output()
	if err != nil {
		return "minio, version unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	line = strings.Replace(line, " version ", " ", 1)
	if at := strings.Index(line, " (commit"); at > 0 {
		line = line[:at]
	}
	return line
}

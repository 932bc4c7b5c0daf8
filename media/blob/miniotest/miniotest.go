// Package miniotest finds or starts a real MinIO for tests and measurements.
//
// Start is for tests, Launch for programs. Both look for FIELDCLUE_TEST_S3_ENDPOINT (a server that runs already),
// then for an executable: ../shared/bin/minio above the module, $FIELDCLUE_TOOLS/bin/minio, minio on PATH.
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
	if errors.Is(err, ErrNoServer) {
		if os.Getenv("FIELDCLUE_REQUIRE_ENGINES") == "1" {
			t.Fatalf("blob suite on MinIO: %v, and FIELDCLUE_REQUIRE_ENGINES is 1", err)
		}
		t.Skipf("blob suite on MinIO: skipped, %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	t.Logf("engine: %s", cfg.Version)
	say.Do(func() { fmt.Println("engine: " + cfg.Version) })
	return cfg
}

// Launch starts a server on loopback that keeps its data in dir. The caller calls stop, which waits for its end.
func Launch(dir string) (cfg Config, stop func(), err error) {
	if endpoint := os.Getenv("FIELDCLUE_TEST_S3_ENDPOINT"); endpoint != "" {
		return Config{
			Endpoint:  endpoint,
			AccessKey: os.Getenv("FIELDCLUE_TEST_S3_ACCESS_KEY"),
			SecretKey: os.Getenv("FIELDCLUE_TEST_S3_SECRET_KEY"),
			Version:   "S3 at " + endpoint,
		}, func() {}, nil
	}
	exe, err := find()
	if err != nil {
		return Config{}, nil, err
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return Config{}, nil, err
	}
	cfg = Config{AccessKey: "fieldclue", SecretKey: hex.EncodeToString(random[:]), Version: version(exe)}
	for tries := 0; ; tries++ {
		stop, err = run(exe, dir, &cfg)
		if err == nil || tries == 3 { // another program may take the port between the look and the start
			return cfg, stop, err
		}
	}
}

func run(exe, dir string, cfg *Config) (func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	cfg.Endpoint = l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd := exec.Command(exe, "server", "--quiet", "--address", cfg.Endpoint, dir)
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+cfg.AccessKey, "MINIO_ROOT_PASSWORD="+cfg.SecretKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "HOME="+dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its end is all we wait for
		close(gone)
	}()
	stop := func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-gone
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+cfg.Endpoint+"/", nil)
		if err != nil {
			stop()
			return nil, err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()                        // nothing was read
			if resp.StatusCode == http.StatusForbidden { // not 503: it knows its users, so it can serve
				return stop, nil
			}
		}
		select {
		case <-gone:
			return nil, fmt.Errorf("minio ended at its start: %s", out.String())
		case <-ctx.Done():
			stop()
			return nil, fmt.Errorf("minio did not become ready: %s", out.String())
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

package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to damage what the embedded store holds

	"fieldclue/media/blob/miniotest"
	"fieldclue/media/sandbox"
	"fieldclue/server/app"
	"fieldclue/server/config"
	"fieldclue/server/demo"
	"fieldclue/server/store/mongotest"
	"fieldclue/server/upkeep"
)

// The examination of a photo may start this program again as a decoder.
func TestMain(m *testing.M) {
	sandbox.Main()
	code := m.Run()
	if told.dir != "" {
		_ = os.RemoveAll(told.dir) // else the system does it some day
	}
	os.Exit(code)
}

// told is the data directory of a server that has stopped, to which the demo has told its whole story: once for all
// tests.
var told struct {
	once sync.Once
	dir  string
}

// afterTheDemo is a copy of it.
func afterTheDemo(t *testing.T) string {
	t.Helper()
	told.once.Do(func() {
		dir, err := os.MkdirTemp("", "fieldclue-demo")
		if err != nil {
			t.Fatal(err)
		}
		told.dir = dir
		data := filepath.Join(dir, "data")
		a := start(t, configured(t, data))
		play(t, a, filepath.Join(dir, "phones"))
		beside, err := upkeep.Verify(t.Context(), configured(t, data), quiet, upkeep.Look{})
		if err != nil || !beside.Sound() || beside.Photos != 15 {
			t.Fatalf("beside the running server: %v\n%v", err, beside)
		}
		stop(t, a)
	})
	if t.Failed() || told.dir == "" {
		t.FailNow()
	}
	return copied(t, filepath.Join(told.dir, "data"))
}

func configured(t *testing.T, dir string) config.Config {
	t.Helper()
	cfg, err := config.Load([]string{"--data", dir, "--listen", "127.0.0.1:0"}, []string{"FIELDCLUE_METRICS_TOKEN=a-token-for-the-metrics"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.HashKiB = 64
	return cfg
}

// onEngines is a configuration for MongoDB, or its stand-in, and MinIO, with a database and buckets of its own.
func onEngines(t *testing.T) config.Config {
	t.Helper()
	cfg := configured(t, t.TempDir())
	mongodb, s3 := mongotest.Start(t), miniotest.Start(t)
	name := fmt.Sprintf("app-%d-%d", os.Getpid(), time.Now().UnixNano())
	cfg.MongoDB = config.MongoDB{URI: config.Secret(mongodb.URI), Database: name, AllowStandIn: true}
	cfg.S3 = config.S3{Endpoint: s3.Endpoint, AccessKey: config.Secret(s3.AccessKey), SecretKey: config.Secret(s3.SecretKey), Bucket: name}
	return cfg
}

// onBoth runs a test on the embedded engines, and on those of production or their stand-ins.
func onBoth(t *testing.T, test func(t *testing.T, cfg config.Config)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, configured(t, t.TempDir())) })
	t.Run("production", func(t *testing.T) { test(t, onEngines(t)) })
}

func start(t *testing.T, cfg config.Config) *app.App {
	t.Helper()
	var log bytes.Buffer
	a, err := app.Start(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop(t, a)
		if t.Failed() && log.Len() > 0 {
			t.Log(log.String())
		}
	})
	return a
}

// stop stops a server; a second time it does nothing.
func stop(t *testing.T, a *app.App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// play lets the demo tell its whole story to a server.
func play(t *testing.T, a *app.App, dir string) {
	t.Helper()
	code, err := a.SetupCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = demo.Run(t.Context(), demo.Options{BaseURL: a.URL(), SetupCode: code, Dir: dir, Out: &out, Verify: func(ctx context.Context) (string, error) {
		report, err := a.Verify(ctx)
		if err == nil && !report.Sound() {
			err = fmt.Errorf("%s", report)
		}
		return "", err
	}})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
}

// The whole story on the engines of production: every figure of its table is right, and the verification finds no
// fault.
func TestTheStoryOnMongoDBAndMinIO(t *testing.T) {
	if testing.Short() {
		t.Skip("plays the whole demo; skipped with -short")
	}
	cfg := onEngines(t)
	play(t, start(t, cfg), t.TempDir())
	report, err := upkeep.Verify(t.Context(), cfg, slog.New(slog.DiscardHandler), upkeep.Look{})
	if err != nil || !report.Sound() || report.Photos != 15 || report.Renditions != 30 || report.Records < 100 {
		t.Fatalf("%v\n%v", err, report)
	}
}

func TestWhatAKilledServerLeftHalfWrittenIsRemoved(t *testing.T) {
	dir := t.TempDir()
	stop(t, start(t, configured(t, dir)))
	var left []string
	for _, store := range []string{"photos", "renditions", "anchors"} {
		left = append(left, filepath.Join(dir, store, "tmp", "put-1"))
	}
	for _, name := range left {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, configured(t, dir))
	for _, name := range left {
		if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What "verify" is for: anyone who reaches the disk and changes something there is found out, and named.
func TestVerifyNamesWhatWasChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("plays the whole demo; skipped with -short")
	}
	dir := afterTheDemo(t)
	for name, tc := range map[string]struct {
		harm func(t *testing.T, dir string)
		says string
	}{
		"nothing": {func(*testing.T, string) {}, "verified: no fault"},
		"an entry": {func(t *testing.T, dir string) {
			execute(t, dir, `UPDATE log SET body = CAST(replace(CAST(body AS TEXT), '"seq":2,', '"seq":2 ,') AS BLOB) WHERE seq = 2`)
		}, "is not what its hash says"},
		"an entry taken out": {func(t *testing.T, dir string) {
			execute(t, dir, `DELETE FROM log WHERE seq = 2 AND rowid = (SELECT max(rowid) FROM log WHERE seq = 2)`)
		}, "is missing"},
		"a record": {func(t *testing.T, dir string) {
			execute(t, dir, `UPDATE records SET state = 'closed' WHERE kind = 'finding' AND state = 'open'`)
		}, "in the log open"},
		"a password hash": {func(t *testing.T, dir string) {
			execute(t, dir, `UPDATE docs SET body = CAST(replace(CAST(body AS TEXT), '$argon2id$', '$argon2id $') AS BLOB) WHERE shelf = 'accounts' AND id = (SELECT min(id) FROM docs WHERE shelf = 'accounts')`)
		}, "its password hash is another one than the log names"},
		"an account": {func(t *testing.T, dir string) {
			execute(t, dir, `DELETE FROM docs WHERE shelf = 'accounts' AND id = (SELECT min(id) FROM docs WHERE shelf = 'accounts')`)
		}, "its password hash is missing"},
		"whose an account is": {func(t *testing.T, dir string) {
			execute(t, dir, `UPDATE records SET state = 'moved' WHERE kind = 'device' AND id = (SELECT min(id) FROM records WHERE kind = 'device')`)
		}, "in the log active"},
		"a session that nobody opened": {func(t *testing.T, dir string) {
			execute(t, dir, `UPDATE docs SET id = '0193a000-0000-7000-8000-00000000dead', body = CAST(replace(CAST(body AS TEXT), '"made":"20', '"made":"19') AS BLOB) WHERE shelf = 'sessions' AND id = (SELECT min(id) FROM docs WHERE shelf = 'sessions')`)
		}, "was never opened"},
		"a record taken out": {func(t *testing.T, dir string) {
			execute(t, dir, `DELETE FROM records WHERE kind = 'interview' AND id = (SELECT min(id) FROM records WHERE kind = 'interview')`)
		}, "is in the log and not in the store"},
		"a photo": {func(t *testing.T, dir string) {
			path := original(t, dir)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			rewrite(t, path, b)
		}, "is not the bytes that were received"},
		"a photo cut short": {func(t *testing.T, dir string) { rewrite(t, original(t, dir), []byte{0xff, 0xd8}) }, "photo "},
		"a photo taken out": {func(t *testing.T, dir string) {
			if err := os.Remove(original(t, dir)); err != nil {
				t.Fatal(err)
			}
		}, "is acknowledged and cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			harmed := copied(t, dir)
			tc.harm(t, harmed)
			report, err := upkeep.Verify(t.Context(), configured(t, harmed), slog.New(slog.DiscardHandler), upkeep.Look{})
			if err != nil {
				t.Fatal(err)
			}
			if text := report.String(); !strings.Contains(text, tc.says) || report.Sound() != (name == "nothing") {
				t.Errorf("want %q in:\n%s", tc.says, text)
			}
		})
	}
}

func execute(t *testing.T, dir, statement string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil || len(found) != 1 {
		t.Fatalf("databases in the data directory: %v, %v", found, err)
	}
	db, err := sql.Open("sqlite", found[0])
	if err != nil {
		t.Fatal(err)
	}
	done, err := db.ExecContext(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("nothing was harmed: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// original is the path of a stored photo.
func original(t *testing.T, dir string) string {
	t.Helper()
	var path string
	err := filepath.WalkDir(filepath.Join(dir, "photos"), func(p string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && len(d.Name()) >= 60 && path == "" {
			path = p
		}
		return err
	})
	if err != nil || path == "" {
		t.Fatalf("no photo in the data directory: %v", err)
	}
	return path
}

func rewrite(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

package app_test

import (
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fieldclue/server/app"
	"fieldclue/server/config"
	"fieldclue/server/store/sqlite"
)

// refuses starts a server that must not start, and checks that it says why, names the command that helps, and changes
// nothing.
func refuses(t *testing.T, cfg config.Config, says string) {
	t.Helper()
	before := filesOf(t, cfg.Data)
	a, err := app.Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		stop(t, a)
		t.Fatal("the server started")
	}
	if text := err.Error(); !strings.Contains(text, says) || !strings.Contains(text, "fieldclue restore --from") {
		t.Errorf("it says %v", err)
	}
	if after := filesOf(t, cfg.Data); !maps.Equal(before, after) {
		t.Errorf("the directory was %v and is %v", before, after)
	}
}

// filesOf are the files of a directory with their sizes, but for the lock of who looks and what SQLite keeps beside an
// open database.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "fieldclue.lock") || strings.HasPrefix(d.Name(), sqlite.DataFile+"-") {
			return err
		}
		info, err := d.Info()
		files[path] = fmt.Sprint(info.Size())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A server whose database is gone, or damaged, or whose key is gone does not begin anew over the evidence that is left.
func TestAStartThatWouldBuryEvidenceIsRefused(t *testing.T) {
	whole := t.TempDir()
	o := open(t, configured(t, whole))
	o.photo(1)
	stop(t, o.a)
	for name, tc := range map[string]struct {
		says string
		harm func(t *testing.T, dir string)
	}{
		"the database is gone": {"there are", func(t *testing.T, dir string) {
			for _, beside := range []string{"", "-wal", "-shm"} {
				_ = os.Remove(filepath.Join(dir, sqlite.DataFile+beside)) // the last two may not be there
			}
		}},
		"an empty database is in its place": {"there are", func(t *testing.T, dir string) {
			empty := t.TempDir()
			stop(t, start(t, configured(t, empty)))
			b, err := os.ReadFile(filepath.Join(empty, sqlite.DataFile))
			if err != nil {
				t.Fatal(err)
			}
			rewrite(t, filepath.Join(dir, sqlite.DataFile), b)
		}},
		"the database is something else": {"damaged", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, sqlite.DataFile), []byte(strings.Repeat("no database ", 1000)))
		}},
		"the database is cut": {"damaged", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, sqlite.DataFile), 9000); err != nil {
				t.Fatal(err)
			}
		}},
		"the key is gone": {"the key that signs receipts is gone", func(t *testing.T, dir string) {
			execute(t, dir, "DELETE FROM docs WHERE shelf = 'keys'")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			tc.harm(t, dir)
			refuses(t, configured(t, dir), tc.says)
		})
	}
}

// Settings that name another, empty database beside the photos of an office found no new office.
func TestAnotherDatabaseBesideThePhotosIsRefused(t *testing.T) {
	cfg := onEngines(t)
	o := open(t, cfg)
	o.photo(1)
	stop(t, o.a)
	cfg.MongoDB.Database += "-2"
	refuses(t, cfg, "there are")
}

//go:build unix

package app_test

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fieldclue/server/app"
	"fieldclue/server/upkeep"
)

// loose lists what others than the owner reach.
func loose(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			found = append(found, info.Mode().String()+" "+path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Whatever the umask, and whatever a directory that was there let others do: nobody else reaches the database, keys and
// photos.
func TestNobodyElseReachesTheDataDirectory(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	data, backup := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	for _, dir := range []string{data, backup} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cfg := configured(t, data)
	o := open(t, cfg)
	content := noise(40<<10, 3)
	photo, sum := o.declare(content, "image/jpeg")
	if _, _, rec := o.upload(o.ann, photo, sum, content); rec == nil {
		t.Fatal("no receipt")
	}
	begun, begunSum := o.declare(noise(60<<10, 4), "image/jpeg")
	if status, _, _ := o.piece(o.create(begun, begunSum, 60<<10), 0, noise(60<<10, 4)[:20<<10]); status != 204 {
		t.Fatalf("a piece: %d", status)
	}
	if found := loose(t, data); len(found) > 0 {
		t.Errorf("while it serves, others reach\n%s", strings.Join(found, "\n"))
	}
	if _, err := upkeep.Backup(t.Context(), cfg, backup, func(*upkeep.Done) {}); err != nil {
		t.Fatal(err)
	}
	if found := loose(t, backup); len(found) > 0 {
		t.Errorf("of the backup, others reach\n%s", strings.Join(found, "\n"))
	}
	stop(t, o.a)

	// As an older version, or a copy by hand, left it.
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if d.IsDir() {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	a, err := app.Start(context.Background(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	stop(t, a)
	if found := loose(t, data); len(found) > 0 {
		t.Errorf("after a start, others reach\n%s", strings.Join(found, "\n"))
	}
	if strings.Count(log.String(), "open to other users") != 1 {
		t.Errorf("the log says\n%s", log.String())
	}
}

func TestADataDirectoryOfAnotherUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives a directory away")
	}
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), configured(t, data), slog.New(slog.DiscardHandler))
	if err == nil {
		stop(t, a)
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "belongs to another user (12345") {
		t.Errorf("it says %v", err)
	}
	if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
		t.Errorf("something was made in it: %v %v", left, err)
	}
}

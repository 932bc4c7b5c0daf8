package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// othersMay are the bits of a mode with which others than the owner reach a file.
const othersMay = 0o077

// KeepPrivate sees to it that nobody but the server's user reaches what lies in the data directory: the database, its
// log, keys, photos, statements. A directory that was there with other modes is mended, and that is said in one line of
// the log; where it cannot be, the server does not start. Where the directory and what lies two levels deep is closed
// nobody gets below, and no more is looked at; else everything is.
func KeepPrivate(dir string, log *slog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	if err := ownedByUs(dir); err != nil {
		return err
	}
	open, err := openToOthers(dir, 2)
	if err == nil && len(open) > 0 {
		open, err = openToOthers(dir, -1)
	}
	for _, path := range open {
		if err == nil {
			err = closeToOthers(path)
		}
	}
	if err != nil {
		return fmt.Errorf("the data directory %s is open to other users of this machine, and that cannot be changed: %w. Give it to the user that the server runs as (chown -R) and take it from others (chmod -R go=)", dir, err)
	}
	if len(open) > 0 {
		log.Warn("the data directory was open to other users of this machine; it is not any more", "directory", dir, "files", len(open))
	}
	return nil
}

// openToOthers lists what others than the owner reach, so many levels deep; -1: all.
func openToOthers(dir string, levels int) (open []string, err error) {
	if !modesCount {
		return nil, nil
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a server beside this one has removed it
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if path == dir {
			info, err = os.Stat(dir) // which may be a link
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink == 0 && info.Mode().Perm()&othersMay != 0:
			open = append(open, path)
		}
		if below, err := filepath.Rel(dir, path); d.IsDir() && levels >= 0 && err == nil && below != "." && strings.Count(below, string(filepath.Separator))+1 >= levels {
			return fs.SkipDir
		}
		return nil
	})
	return open, err
}

func closeToOthers(path string) error {
	info, err := os.Stat(path)
	if err == nil {
		err = os.Chmod(path, info.Mode().Perm()&^othersMay)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

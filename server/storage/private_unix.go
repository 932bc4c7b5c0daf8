//go:build unix

package storage

import (
	"fmt"
	"os"
	"syscall"
)

// modesCount: who reaches a file is said by its mode.
const modesCount = true

// ownedByUs refuses a directory of another user, who can open it again at any time.
func ownedByUs(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("the data directory %s belongs to another user (%d, and the server runs as %d), who can read everything in it. Run the server as that user, or give it the directory with chown -R", dir, s.Uid, os.Geteuid())
	}
	return nil
}

// Private makes everything that this process writes from now on its user's alone.
func Private() { syscall.Umask(othersMay) }

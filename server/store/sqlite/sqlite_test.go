package sqlite_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"fieldclue/server/store/sqlite"
	"fieldclue/server/store/storetest"
)

func TestContract(t *testing.T) {
	dirs := map[storetest.Store]string{}
	open := func(t *testing.T, dir string) storetest.Store {
		t.Helper()
		s, err := sqlite.Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		dirs[s] = dir
		return s
	}
	name, version, err := open(t, t.TempDir()).Engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("engine: %s %s\n", name, version)
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t, t.TempDir()) }, storetest.Capabilities{
		Transactions: true,
		// What kill -9 leaves behind are the files as they are now.
		Reopen: func(t *testing.T, s storetest.Store) storetest.Store { return open(t, crashed(t, dirs[s])) },
	})
}

// crashed copies the files of an open store.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"fieldclue.db", "fieldclue.db-wal"} {
		from, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		into, err := os.Create(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(into, from); err != nil {
			t.Fatal(err)
		}
		if err := into.Close(); err != nil {
			t.Fatal(err)
		}
		_ = from.Close() // only read
	}
	return to
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// forgetFiles writes the files of a server that is stopped to the disk, asks the system to drop them from its cache,
// and says how much of them is left in it.
func forgetFiles(dir string) (string, error) {
	var left uint64 // pages
	var all int64   // bytes
	known := true
	err := dataFiles(dir, func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		fd := int(f.Fd())
		err = errors.Join(f.Sync(), unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED))
		var now unix.Cachestat_t
		if e := unix.Cachestat(uint(fd), &unix.CachestatRange{}, &now, 0); e != nil {
			known = false // Linux before 6.5
		}
		left += now.Cache
		if st, e := f.Stat(); e == nil {
			all += st.Size()
		}
		return errors.Join(err, f.Close())
	})
	if !known {
		return "its files dropped from the cache, as far as the system obeyed", err
	}
	return fmt.Sprintf("of %s of its files %s were in the cache", mb(float64(all)), mb(float64(left)*float64(os.Getpagesize()))), err
}

// forgetWritten asks the system to drop the files from its cache that were written since, and flushed. A virtual
// machine pays for memory that it has not used before; so each slice finds the memory that the one before gave back.
func forgetWritten(dir string, since time.Time) error {
	return dataFiles(dir, func(path string) error {
		st, err := os.Stat(path)
		if err != nil || st.ModTime().Before(since) {
			if errors.Is(err, fs.ErrNotExist) { // a temporary one
				return nil
			}
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
	})
}

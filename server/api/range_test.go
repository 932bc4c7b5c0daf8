package api

import (
	"testing"

	"fieldclue/server/field"
)

// FuzzRange: whatever a Range header says, what is sent lies within the file.
func FuzzRange(f *testing.F) {
	for _, h := range []string{"", "bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=5-2", "bytes=9-", "bytes=1-2,4-5", "bytes= 1 - 2 ", "bytes=18446744073709551615-", "bytes=-9223372036854775808", "bytes=0-9223372036854775807", "lines=1-2"} {
		f.Add(h, int64(9))
	}
	f.Add("bytes=-5", int64(0))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		offset, length, ranged, err := rangeOf(header, size)
		if err != nil {
			if !field.Is(err, field.CodeRangeInvalid) {
				t.Fatal(err)
			}
			return
		}
		if offset < 0 || length < 0 || offset > size || length > size-offset || ranged && length == 0 || !ranged && (offset != 0 || length != size) {
			t.Fatalf("%q of %d: %d bytes from %d, ranged %v", header, size, length, offset, ranged)
		}
	})
}

// Package purego stands in for the module of this name, by a replace in go.mod. The decoder of HEIC asks it for the
// libheif of the machine before it uses its own, and by that alone the real one makes the server a dynamically linked
// program that loads a library it was not tested with. This one has nothing to load.
package purego

import "errors"

// The flags that Dlopen takes.
const (
	RTLD_NOW    = 0x2
	RTLD_GLOBAL = 0x100
)

// Dlopen always fails.
func Dlopen(path string, _ int) (uintptr, error) {
	return 0, errors.New("no library is loaded: " + path)
}

// RegisterLibFunc is called only after Dlopen has succeeded.
func RegisterLibFunc(_ any, _ uintptr, name string) { panic("there is no library with " + name) }

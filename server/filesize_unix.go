//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// A limit on the size of files answers a write with an error, which is told to the phone as a full disk. By default it
// would end the program.
func init() { signal.Ignore(syscall.SIGXFSZ) }

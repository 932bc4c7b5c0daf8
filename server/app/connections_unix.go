//go:build unix

package app

import "syscall"

// connections is how many connections may be open at once: so many descriptors as the system lets the process have,
// less a quarter (at most 1,024) and 64, which are for files, databases and the sandbox. The Go runtime has raised the
// soft limit to the hard one at the start. 0: there is no limit.
func connections() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 0
	}
	all := int(limit.Cur) //nolint:gosec,unconvert // bounded above; the type differs between systems
	return max(all-min(all/4, 1024)-64, 16)
}

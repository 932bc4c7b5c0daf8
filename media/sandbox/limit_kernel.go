//go:build linux || darwin

package sandbox

import "syscall"

// addressSpace is what the Go runtime reserves and never writes to; the limit of addresses counts it.
const addressSpace = 2 << 30

// limit bounds this process for good: writable memory, processor time, no file written, no core left behind. In the
// background it also stands behind every other process that wants the processor.
func limit(memory, seconds uint64, background bool) error {
	for what, most := range map[int]uint64{
		syscall.RLIMIT_DATA: memory, syscall.RLIMIT_AS: memory + addressSpace, syscall.RLIMIT_CPU: seconds,
		syscall.RLIMIT_FSIZE: 0, syscall.RLIMIT_CORE: 0,
	} {
		if err := setLimit(what, most); err != nil {
			return err
		}
	}
	if background {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 15) // a courtesy
	}
	return nil
}

func setLimit(what int, most uint64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(what, &now); err != nil {
		return err
	}
	most = min(most, now.Max) // a process may only tighten what it was given
	return syscall.Setrlimit(what, &syscall.Rlimit{Cur: most, Max: most})
}

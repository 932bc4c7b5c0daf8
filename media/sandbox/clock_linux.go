package sandbox

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is what a process has had of the processor, all of its threads together; false when there is no such
// process.
func processorTime(pid int) (time.Duration, bool) {
	const allThreads = 2 // clock_getcpuclockid(3): the clock of a process is named by its id, inverted, above three bits
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|allThreads, &t); err != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}

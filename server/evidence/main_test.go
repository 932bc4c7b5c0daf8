package evidence

import (
	"os"
	"testing"

	"fieldclue/media/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main() // this program is its own decoder
	os.Exit(m.Run())
}

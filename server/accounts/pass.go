package accounts

import (
	"time"

	"fieldclue/server/access"
)

// Pass is what a valid access token stands for. Actor is shared between requests: read it, never write it.
type Pass struct {
	Actor   *access.Actor // with the device that is signed in
	Session string        // id of the session
	Expires time.Time     // of the token
}

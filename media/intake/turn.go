package intake

import (
	"context"
	"sync"
	"time"

	"fieldclue/server/field"
)

// turn is a request that works on an upload in this process.
type turn struct {
	stop func()        // asks it to end; may be called more than once
	over chan struct{} // closed by stop
	done chan struct{} // closed when it has ended
}

// enter makes this request the newest of an upload. An older one in this process is told to stop, and is given a little
// time to save what it received; one in another process loses the race for the document.
func (s *Service) enter(ctx context.Context, id string, stopper Interrupter) (func(), error) {
	me := &turn{over: make(chan struct{}), done: make(chan struct{})}
	var once sync.Once
	me.stop = func() {
		once.Do(func() {
			close(me.over)
			if stopper != nil {
				stopper.Interrupt()
			}
		})
	}
	s.mu.Lock()
	old := s.at[id]
	s.at[id] = me
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		if s.at[id] == me {
			delete(s.at, id)
		}
		s.mu.Unlock()
		close(me.done)
	}
	if old == nil {
		return leave, nil
	}
	old.stop()
	var err error
	patience := time.NewTimer(s.cfg.Patience)
	defer patience.Stop()
	select {
	case <-old.done:
		return leave, nil
	case <-patience.C: // the generation will shut it out
		return leave, nil
	case <-me.over:
		err = field.Refuse(field.CodeUploadReplaced, "")
	case <-ctx.Done():
		err = field.Refuse(field.CodeBusy, "").Because(ctx.Err())
	}
	go func() { // who waits for us waits for the older one too
		<-old.done
		leave()
	}()
	return nil, err
}

// busy reports whether a request of this process works on an upload.
func (s *Service) busy(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[id] != nil
}

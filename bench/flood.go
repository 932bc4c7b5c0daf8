package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
)

// floods are the connections of who floods the sign-in: strangers with a name of the office, one who guesses on a
// device that is enrolled, and one whose password is good and who signs in without end.
var floods = []struct {
	who         string
	connections int
	enrolled    bool
	password    string
}{
	{"strangers", 32, false, password},
	{"guessing on an enrolled device", 16, true, "not the password of anybody"},
	{"one valid account", 32, true, password},
}

// signInFlood signs people in by the clock, first alone and then during a flood from the same address. Everybody of
// them must get in.
func signInFlood(ctx context.Context, o options, say sayer) (err error) {
	a, err := serveHere(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop(context.WithoutCancel(ctx))) }()
	honest := o.clients
	c, err := settle(ctx, a, o, layout{hands: honest + len(floods), sites: 1, people: honest + len(floods)})
	if err != nil {
		return err
	}
	defer c.http.CloseIdleConnections()
	signIn := func(ctx context.Context, person int, device field.RecordID, password string) error {
		_, err := c.as("").SignIn(ctx, fmt.Sprintf("inspector%d", person), password, "", phone.Device{ID: field.DeviceID(device), Name: "bench", Platform: "bench"})
		return err
	}
	// Each device signs in five times in each half: more than the office does in a month, and well under the bound of a
	// device.
	const rounds = 5
	measure := func(what string) error {
		took, refused := make([]times, honest), atomic.Int64{}
		begin := time.Now().Add(50 * time.Millisecond)
		every := 2 * o.duration / rounds
		err := together(honest, func(i int) error {
			for n := range rounds {
				due := begin.Add(time.Duration(n)*every + every*time.Duration(i)/time.Duration(honest))
				if err := until(ctx, due); err != nil {
					return err
				}
				if err := signIn(ctx, i, c.hands[i].device, password); err != nil {
					refused.Add(1)
				}
				took[i] = append(took[i], time.Since(due))
			}
			return nil
		})
		all := times(slices.Concat(took...)).sorted()
		say("%s: %d of %d honest sign-ins were served   p50 %s   p99 %s   longest %s", what, int64(len(all))-refused.Load(), len(all), brief(all.at(.5)), brief(all.at(.99)), brief(all.at(1)))
		if err == nil && refused.Load() > 0 {
			err = fmt.Errorf("%s: %d honest sign-ins were refused", what, refused.Load())
		}
		return err
	}
	if err := measure("alone"); err != nil {
		return err
	}
	flooding, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	tried, passed := make([]atomic.Int64, len(floods)), make([]atomic.Int64, len(floods))
	for f, flood := range floods {
		for range flood.connections {
			running.Go(func() {
				for flooding.Err() == nil {
					device := newID()
					if flood.enrolled {
						device = c.hands[honest+f].device
					}
					err := signIn(flooding, honest+f, device, flood.password)
					tried[f].Add(1)
					if err == nil {
						passed[f].Add(1)
					}
				}
			})
		}
	}
	err = measure("during the flood")
	stop()
	running.Wait()
	for f, flood := range floods {
		say("   %s, %d connections: %d tried, %d got in", flood.who, flood.connections, tried[f].Load(), passed[f].Load())
	}
	return err
}

package field

import (
	"time"
)

// A list that people read in pages is ordered by what matters, and that changes while they read: a report whose
// severity rises moves to the front, past who reads on page two. So the records of such kinds tell where they stood,
// and the pages that follow on a first one are those of the list as it was then.

// move is that a record stood at a rank, in a state, until a time.
type move struct {
	Until time.Time `json:"until"` // server time
	Rank  string    `json:"rank"`
	State State     `json:"state"`
}

// mostMoves are remembered, the newest; a page is asked for within minutes.
const mostMoves = 16

var moves = Field{Name: "moves", Type: JSON, Max: mostMoves * 200, Server: true, ZH: "最近 16 次排位变动", EN: "where it stood in lists until when, the last 16 times"}

// Moved is the field "moves" of a record that has become another one at a time; nil: it stands where it stood.
func Moved(old, now *Record, at time.Time) Value {
	if old == nil || old.Rank == now.Rank && old.State == now.State {
		return nil
	}
	was := append(movesOf(old), move{Until: at, Rank: old.Rank, State: old.State})
	return Quote(was[max(0, len(was)-mostMoves):])
}

func movesOf(r *Record) (was []move) {
	_ = r.Decode("moves", &was) // written by Moved
	return was
}

// Stood is where a record stood at a time: its rank and state then. moved is false when it stands there still.
func Stood(r *Record, at time.Time) (rank string, state State, moved bool) {
	for _, m := range movesOf(r) {
		if m.Until.After(at) {
			return m.Rank, m.State, true
		}
	}
	return r.Rank, r.State, false
}

// MovedOn is the key under which lists find what moved on a day (UTC).
func MovedOn(day time.Time) string { return KeyFor("moved", day.UTC().Format(time.DateOnly)) }

func movedKeys(r *Record) []string {
	var keys []string
	for _, m := range movesOf(r) {
		keys = append(keys, MovedOn(m.Until))
	}
	return keys
}

package protocol

import "fieldclue/server/field"

// Event is one entry of the log that concerns a record.
type Event struct {
	Scope      field.Scope            `json:"scope"`
	Seq        int64                  `json:"seq"`
	Hash       string                 `json:"hash"`
	By         *Named                 `json:"by,omitempty"`      // nil: the server itself
	Mandate    field.RecordID         `json:"mandate,omitempty"` // under which it was done, by the people of another organisation
	Device     field.DeviceID         `json:"device"`
	App        string                 `json:"app,omitempty"`
	ServerTime string                 `json:"serverTime"`
	DeviceTime string                 `json:"deviceTime,omitempty"`
	SkewMS     int64                  `json:"skewMs,omitempty"`  // device clock minus server clock, as the device measured it
	Operations []Decided              `json:"operations"`        // on the record, as they came, with their outcomes
	Set        map[string]field.Value `json:"set,omitempty"`     // what changed, by path
	Unset      []string               `json:"unset,omitempty"`   //
	State      field.State            `json:"state,omitempty"`   // the step of the life cycle that it took
	Deleted    *bool                  `json:"deleted,omitempty"` //
	With       []Link                 `json:"with,omitempty"`    // entries of other scopes in the same commit, as far as the reader may read them
}

// Named is a record in short: enough to show it in a line.
type Named struct {
	ID   field.RecordID `json:"id"`
	Name string         `json:"name,omitempty"` // left out when the reader may not see the record
}

// EventOf reads what an entry says about a record; false when it only mentions it. By is left to the caller, and so is
// what of With the reader may know.
func EventOf(b *Body, hash string, id field.RecordID) (Event, bool) {
	e := Event{
		Scope: b.Scope, Seq: b.Seq, Hash: hash, Mandate: b.Mandate, Device: b.Device, App: b.App, ServerTime: b.At, DeviceTime: b.DeviceTime, SkewMS: b.SkewMS,
		Operations: []Decided{}, With: b.With,
	}
	concerns := false
	for _, op := range b.Ops {
		if op.ID == id {
			e.Operations = append(e.Operations, op)
			concerns = true
		}
	}
	for _, c := range b.Changes {
		if c.ID != id {
			continue
		}
		concerns = true
		set := c.Set
		if c.Op > 0 && c.Op <= len(b.Ops) {
			set = b.Ops[c.Op-1].Set
		}
		if e.Set == nil && len(set) > 0 {
			e.Set = make(map[string]field.Value, len(set))
		}
		for p, v := range set {
			e.Set[p] = v
		}
		e.Unset = append(e.Unset, c.Unset...)
		if c.State != "" {
			e.State = c.State
		}
		if c.Deleted != nil {
			e.Deleted = c.Deleted
		}
	}
	return e, concerns
}

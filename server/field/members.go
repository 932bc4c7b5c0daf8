package field

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// membersOf reads the members of a JSON object. One that stands twice is refused: encoding/json lets the later win, and
// other readers the earlier. null is no object.
func membersOf(v Value) (map[string]Value, error) {
	d := json.NewDecoder(bytes.NewReader(v))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(errors.New("no object"), err)
	}
	members := map[string]Value{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		text, _ := name.(string) // nothing else comes there
		if _, twice := members[text]; twice {
			return nil, fmt.Errorf("%q stands twice", text)
		}
		var one Value
		if err := d.Decode(&one); err != nil {
			return nil, err
		}
		members[text] = one
	}
	if _, err := d.Token(); err != nil { // the brace
		return nil, err
	}
	if d.More() {
		return nil, errors.New("it goes on after the object")
	}
	return members, nil
}

// exactly reads an object that has no member but those named, each to the letter: encoding/json takes "Lat" for "lat".
func exactly(v Value, into any, names ...string) error {
	members, err := membersOf(v)
	if err != nil {
		return err
	}
	for name := range members {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%q is not known here", name)
		}
	}
	return json.Unmarshal(v, into)
}

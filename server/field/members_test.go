package field

import (
	"testing"
)

// Names in other letters and names that stand twice: what one reader checks must be what the next one reads.
func TestMembersAreNamedToTheLetterAndOnce(t *testing.T) {
	position := Field{Name: "position", Type: Position}
	object := Field{Name: "contract", Type: Object, Fields: []Field{{Name: "name", Type: Text}}}
	for text, good := range map[string]bool{
		`{"lat":27.1,"lon":105.3}`:               true,
		`{"Lat":27.1,"lon":105.3}`:               false,
		`{"lat":27.1,"lon":105.3,"LON":105.4}`:   false,
		`{"lat":27.1,"lon":105.3,"lat":0}`:       false,
		`{"lat":27.1,"lon":105.3,"\u006cat":0}`:  false,
		`{"lat":27.1,"lon":105.3} {}`:            false,
		`{"lat":27.1,"lon":105.3,"\u017fource"}`: false,
	} {
		if _, err := position.Check(Value(text)); (err == nil) != good {
			t.Errorf("position %s: %v", text, err)
		}
	}
	for text, good := range map[string]bool{
		`{"name":"a"}`: true, `{"Name":"a"}`: false, `{"name":"a","name":"b"}`: false, `{"name":"a","n\u0061me":"b"}`: false,
	} {
		if _, err := object.Check(Value(text)); (err == nil) != good {
			t.Errorf("object %s: %v", text, err)
		}
	}
	keyed := []Field{{Name: "answers", Type: Any, Keyed: true}}
	if _, err := CheckArgs(keyed, map[string]Value{"answers": Value(`{"q1":1,"q1":2}`)}); err == nil {
		t.Error("a key that stands twice was taken")
	}
}

package main

import (
	"bytes"
	"os"
	"testing"

	"fieldclue/server/field"
)

// The description of the API cannot drift from the kinds: run "go run ./server/api/schemagen openapi.yaml" after a
// change of server/field.
func TestTheDescriptionHoldsTheFieldsOfEveryKind(t *testing.T) {
	doc, err := os.ReadFile("../../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	now, err := replace(doc)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(doc, now) {
		t.Error("openapi.yaml is older than server/field: go run ./server/api/schemagen openapi.yaml")
	}
	for _, s := range field.Kinds() {
		for _, name := range []string{"Fields:", "Record:", "State:"} {
			if !bytes.Contains(now, []byte("\n    "+upper(string(s.Kind))+name+"\n")) {
				t.Errorf("%s%s is missing", s.Kind, name)
			}
		}
	}
}

func TestAFileWithoutMarksIsLeftAlone(t *testing.T) {
	for _, doc := range []string{"", begin + "\n", end + "\n" + begin + "\n"} {
		if _, err := replace([]byte(doc)); err == nil {
			t.Errorf("%q was taken", doc)
		}
	}
}

package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"fieldclue/media/receipt"
	"fieldclue/server/app"
	"fieldclue/server/config"
)

// The command as it is typed: what it prints can be given to "verify FILE --key".
func TestTheKeysCommand(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Load([]string{"--data", dir, "--listen", "127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	typed := func(args ...string) receipt.Keys {
		t.Helper()
		var out bytes.Buffer
		if err := run(t.Context(), append(append([]string{"keys"}, args...), "--data", dir), nil, console{&out}); err != nil {
			t.Fatal(err)
		}
		keys, err := receipt.ParseKeys(out.Bytes())
		if err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		return keys
	}
	first := typed()
	second := typed("rotate")
	if len(first) != 1 || len(second) != 2 || second[1].KeyID != first[0].KeyID || second[1].Leaked {
		t.Fatalf("%+v, %+v", first, second)
	}
	if third := typed("leaked", first[0].KeyID); !third[1].Leaked {
		t.Errorf("%+v", third)
	}
	if fourth := typed("rotate", "--leaked"); len(fourth) != 3 || !fourth[1].Leaked {
		t.Errorf("%+v", fourth)
	}
	for _, wrong := range [][]string{{"--leaked"}, {"leaked"}, {"leaked", "--data", dir}, {"change"}} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"keys"}, wrong...), nil, console{&out}); err == nil || !strings.Contains(err.Error(), "keys") || out.Len() > 0 {
			t.Errorf("%v: %v %s", wrong, err, out.String())
		}
	}
}

// The file and its key stand in either order.
func TestTheFileAndItsKeyInEitherOrder(t *testing.T) {
	none := t.TempDir() + "/case.zip"
	for want, args := range map[string][][]string{
		"key is 32 bytes":  {{none, "--key", "K"}, {"--key", "K", none}, {"--key=K", none}},
		"file of a case":   {{"--key", "K"}, {"--key", "K", "--data", none}},
		"value is missing": {{none, "--key"}},
	} {
		for _, a := range args {
			err := run(t.Context(), append([]string{"verify"}, a...), nil, console{&bytes.Buffer{}})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want something of %q", a, err, want)
			}
		}
	}
}

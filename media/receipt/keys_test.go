package receipt_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/field"
)

var changed = time.Date(2026, 5, 4, 1, 30, 0, 0, time.UTC)

// keys are those of a server that changed its key once.
func keys() receipt.Keys {
	old := receipt.NewKey(signer(1).PublicKey(), time.Time{})
	old.Until = changed
	return receipt.Keys{receipt.NewKey(signer(2).PublicKey(), changed), old}
}

func TestAReceiptIsCheckedWithTheKeyOfItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		by   byte
		at   time.Duration // after the change
		says string        // empty: it holds
	}{
		"the old key, long before":        {1, -1000 * time.Hour, ""},
		"the old key, its last server":    {1, 5 * time.Minute, ""},
		"the old key, an hour after":      {1, time.Hour, "signs nothing since 2026-05-04T01:30:00.000Z"},
		"the new key, after":              {2, time.Hour, ""},
		"the new key, by a slow clock":    {2, -5 * time.Minute, ""},
		"the new key, backdated":          {2, -time.Hour, "signs since 2026-05-04T01:30:00.000Z"},
		"a key that the server never had": {3, time.Hour, receipt.KeyID(signer(3).PublicKey())},
	} {
		r := signer(c.by).Sign("photo-1", strings.Repeat("ab", 32), 42, "image/jpeg", changed.Add(c.at))
		err := keys().Verify(r)
		if c.says == "" && err != nil || c.says != "" && (!field.Is(err, field.CodeHashMismatch) || !strings.Contains(field.AsError(err).Sentence(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
		if r.Size++; keys().Verify(r) == nil {
			t.Errorf("%s: a changed one holds", name)
		}
	}
}

func TestKeysAreReadAsTheyArePublished(t *testing.T) {
	all := keys()
	published, err := json.Marshal(all.Publish())
	if err != nil {
		t.Fatal(err)
	}
	var lines, blocks bytes.Buffer
	for _, k := range all.Public() {
		lines.WriteString(base64.StdEncoding.EncodeToString(k) + "\r\n")
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			t.Fatal(err)
		}
		if err := pem.Encode(&blocks, &pem.Block{Type: "PUBLIC KEY", Bytes: der}); err != nil {
			t.Fatal(err)
		}
	}
	// As servers published it that had one key.
	first := []byte(`{"keyId":"` + all[0].KeyID + `","algorithm":"Ed25519","publicKey":"` + base64.StdEncoding.EncodeToString(all[0].PublicKey) + `"}`)
	for name, c := range map[string]struct {
		text  []byte
		count int
		until bool
	}{
		"published": {published, 2, true}, "published by an older server": {first, 1, false},
		"base64": {lines.Bytes(), 2, false}, "PEM": {append([]byte("\n"), blocks.Bytes()...), 2, false},
	} {
		got, err := receipt.ParseKeys(c.text)
		if err != nil || len(got) != c.count || got[0].KeyID != all[0].KeyID || c.count == 2 && got[1].Until.Equal(changed) != c.until {
			t.Errorf("%s: %v %+v", name, err, got)
		}
	}
	short := base64.StdEncoding.EncodeToString(all[0].PublicKey[1:])
	renamed := bytes.Replace(published, []byte(all[1].KeyID), []byte("0123456789abcdef"), 1)
	for name, text := range map[string]string{
		"nothing": "", "no base64": "?", "a short key": short, "a key twice": lines.String() + lines.String(), "another id": string(renamed),
		"no object": "{", "an object of something else": "{}", "a certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
		"text after the keys": blocks.String() + "and so on",
	} {
		if got, err := receipt.ParseKeys([]byte(text)); err == nil {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	published, err := json.Marshal(keys().Publish())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(published)
	f.Add([]byte(base64.StdEncoding.EncodeToString(signer(1).PublicKey())))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := receipt.ParseKeys(b)
		if err == nil && len(got) == 0 {
			t.Fatal("no key and no error")
		}
		for _, k := range got {
			if k.KeyID != receipt.KeyID(k.PublicKey) {
				t.Fatalf("%+v", k)
			}
		}
	})
}

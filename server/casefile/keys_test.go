package casefile

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"fieldclue/media/receipt"
	"fieldclue/server/storage/storagetest"
)

// A case whose photo has a receipt of an older key, before and after the server's key was changed.
func TestAChangedKeyLeavesOldReceiptsWhole(t *testing.T) {
	w := newWorld(t, storagetest.SQLite(t))
	before, old := w.export(), w.public()[0]
	oldPrivate := w.key
	end := w.clock.Add(time.Hour)
	w.key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	old.Until = end
	w.older = receipt.Keys{old}
	after := w.export()
	if again := w.export(); !bytes.Equal(after, again) {
		t.Error("another file the second time")
	}
	present := w.public()[0]
	present.From = end
	alone := receipt.Keys{receipt.NewKey(present.PublicKey, time.Time{})}
	oldAlone := receipt.Keys{receipt.NewKey(old.PublicKey, time.Time{})}
	leaked, short := old, old
	leaked.Leaked = true
	short.Until = w.clock.AddDate(0, 0, -1)
	withoutKeys := forged(t, after, w.key, func(f map[string][]byte) { delete(f, keysName) })
	lying := forged(t, after, w.key, func(f map[string][]byte) {
		f[keysName] = document(receipt.Keys{old, present}.Publish())
	})
	byOld := forged(t, after, oldPrivate, func(map[string][]byte) {})
	for name, c := range map[string]struct {
		file  []byte
		keys  receipt.Keys
		sound bool
		says  string // the report
	}{
		"made before, all keys":                   {before, receipt.Keys{present, old}, true, "key         " + old.KeyID + ", with which nothing was signed after " + end.UTC().Format(time.RFC3339)},
		"made before, the old key":                {before, oldAlone, true, "no fault"},
		"made before, the new key alone":          {before, alone, false, `"` + old.KeyID + `", which is not among those that were given`},
		"made after, all keys":                    {after, receipt.Keys{present, old}, true, "key         " + present.KeyID + "\n"},
		"made after, the new key alone":           {after, alone, true, "key         " + present.KeyID + "\n"},
		"made after, the old key alone":           {after, oldAlone, false, `"` + present.KeyID + `", which is not among those that were given`},
		"made after, believed":                    {after, nil, true, "BELIEVED"},
		"without the older keys, the new alone":   {withoutKeys, alone, false, `its key "` + old.KeyID + `" is not known`},
		"without the older keys, all are given":   {withoutKeys, receipt.Keys{present, old}, true, "no fault"},
		"the keys of somebody else":               {lying, alone, false, keysName + ": does not hold the keys"},
		"made before, the old key leaked":         {before, receipt.Keys{present, leaked}, true, "REMARK      the key " + old.KeyID + " may be in other hands"},
		"made after, the old key leaked":          {after, receipt.Keys{present, leaked}, true, "REMARK      1 receipts are of the key " + old.KeyID},
		"signed after the end of its key":         {before, receipt.Keys{present, short}, false, headsName + ": "},
		"a receipt after the end of its key":      {after, receipt.Keys{present, short}, false, "The key " + old.KeyID + " signs nothing since"},
		"the manifest and the statement disagree": {byOld, receipt.Keys{present, old}, false, headsName + ": is signed with the key " + present.KeyID},
	} {
		t.Run(name, func(t *testing.T) {
			r := checked(t, c.file, c.keys)
			if r.Sound() != c.sound || !strings.Contains(r.String(), c.says) {
				t.Errorf("sound %t, want %t and %q:\n%s", r.Sound(), c.sound, c.says, r)
			}
		})
	}
}

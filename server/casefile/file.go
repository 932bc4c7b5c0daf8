package casefile

import (
	"errors"
	"fmt"
	"os"

	"fieldclue/media/receipt"
)

// CheckFile checks the file of a case, without any configuration or data. keyOf is the published key, or a file that
// holds it, or several; empty: the key in the file is believed.
func CheckFile(path, keyOf string) (*Report, error) {
	var keys receipt.Keys
	if keyOf != "" {
		b, err := os.ReadFile(keyOf)
		if err != nil {
			b = []byte(keyOf)
		}
		if keys, err = receipt.ParseKeys(b); err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	report, err := Check(f, st.Size(), keys)
	return report, errors.Join(err, f.Close())
}

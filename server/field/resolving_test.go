package field_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"fieldclue/server/field"
)

// whole are the codes with which a request is refused as a whole, so that nothing is kept and the phone still holds
// everything.
var whole = []field.Code{
	field.CodeBadJSON, field.CodeTooDeep, field.CodeBodyTruncated, field.CodeMethodNotAllowed, field.CodeBatchReused, field.CodeWeakPassword,
	field.CodeSetupClosed, field.CodeDeviceUnknown, field.CodeInvalidCode, field.CodeTooManyDevices, field.CodeDeviceMoving, field.CodeForeignDevice,
	field.CodeTaken, field.CodeLastAdmin, field.CodeOffsetMismatch, field.CodeSizeMismatch, field.CodeUploadUnknown, field.CodeUploadReplaced,
	field.CodeUploadExpired, field.CodeSealedPutOff, field.CodeSealedPutMissing, field.CodePhotoNotDeclared, field.CodeNotAPhoto, field.CodeRangeInvalid,
	field.CodeCrossSite, field.CodeTLSRequired,
}

// Every code of an operation stands in the table of ways, in the program and in the guide.
func TestEveryCodeHasItsWays(t *testing.T) {
	guide, err := os.ReadFile("../../docs/sync.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range field.Codes() {
		ways := field.WaysOf(c)
		if ways[len(ways)-1] != field.WayTakeOver {
			t.Errorf("%s: %v", c, ways)
		}
		switch c.Kind() {
		case field.ErrorInvalid, field.ErrorForbidden, field.ErrorNotFound, field.ErrorConflict, field.ErrorState:
		default:
			continue // tried again, or the request as a whole
		}
		if slices.Contains(whole, c) == slices.Contains(field.KeptCodes(), c) {
			t.Errorf("%s: say in resolving.go how it is resolved, or here that it is of whole requests", c)
		}
	}
	for _, c := range field.KeptCodes() {
		var row string
		for line := range strings.Lines(string(guide)) {
			if strings.HasPrefix(line, "| `") && strings.Contains(line, "takeover |") && strings.Contains(line, "`"+string(c)+"`") {
				row = line
			}
		}
		var ways []string
		for _, w := range field.WaysOf(c) {
			ways = append(ways, string(w))
		}
		if !strings.HasSuffix(row, "| "+strings.Join(ways, ", ")+" |\n") && c != field.CodeContentDestroyed {
			t.Errorf("docs/sync.md says of %s: %q, want %v", c, row, ways)
		}
	}
}

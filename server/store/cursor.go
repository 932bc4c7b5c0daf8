package store

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"fieldclue/server/field"
)

// Cursor is how a page of a list says where the next one begins: the place of its last record and, for a list whose
// records move, when the first page was read. The zero Cursor is the beginning.
type Cursor struct {
	Place
	Since time.Time
}

// String is the cursor as one opaque word: base64 of the rank, a space and the id, and of a space and Since in
// milliseconds where it is set. Empty at the beginning.
func (c Cursor) String() string {
	if c.Place == (Place{}) {
		return ""
	}
	text := c.Rank + " " + string(c.ID)
	if !c.Since.IsZero() {
		text += " " + strconv.FormatInt(c.Since.UnixMilli(), 10)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// ParseCursor reads what String wrote; CodeBadRequest for anything else.
func ParseCursor(s string) (c Cursor, err error) {
	if s == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	text := string(raw)
	if i := strings.LastIndexByte(text, ' '); err == nil && i >= 0 && !field.ValidID(text[i+1:]) {
		var ms int64
		if ms, err = strconv.ParseInt(text[i+1:], 10, 64); err == nil {
			text, c.Since = text[:i], time.UnixMilli(ms).UTC()
		}
	}
	i := strings.LastIndexByte(text, ' ')
	if err != nil || i < 0 || len(raw) > 300 || !field.ValidID(text[i+1:]) {
		return Cursor{}, field.Refuse(field.CodeBadRequest, "after is not the next of an earlier page.").
			InChinese("after 不是此前某页的 next。")
	}
	c.Place = Place{Rank: text[:i], ID: field.RecordID(text[i+1:])}
	return c, nil
}

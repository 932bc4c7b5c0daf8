package field

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Every kind of identifier is its own type, so that one cannot slip into the place of another. All but the
// organisation's are UUIDs of version 7 (RFC 9562) in lower case, made on the device that writes the record first.
type (
	RecordID    string // any record
	UserID      string // a person record; also the id in user/<id>
	ProjectID   string
	SiteID      string
	TemplateID  string
	ReportID    string
	FindingID   string
	PhotoID     string
	InterviewID string
	ClueID      string
	CampaignID  string
	RevisitID   string
	OrgID       string // a short name chosen at set-up, such as "gz-liwan"
	DeviceID    string
)

// ValidID reports whether s is a lower-case UUID of version 7.
func ValidID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < 36; i++ {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		case 14:
			if c != '7' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return s[19] == '8' || s[19] == '9' || s[19] == 'a' || s[19] == 'b'
}

// ValidOrg reports whether s can name an organisation: 2 to 32 of a-z, 0-9 and '-'.
func ValidOrg(s string) bool {
	if len(s) < 2 || len(s) > 32 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// NewID makes a UUID of version 7 from a time and 10 random bytes.
func NewID(at time.Time, random [10]byte) RecordID {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMilli())<<16)
	copy(b[6:], random[:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return RecordID(formatUUID(b))
}

// RandomID makes the id of a record that is made on the server and that nobody may know before: anyone who can work an
// id out can take it first, and by trying to can ask whether the record is there.
func RandomID(at time.Time) RecordID {
	var r [10]byte
	_, _ = rand.Read(r[:]) // never fails: crypto/rand aborts the program instead
	return NewID(at, r)
}

// DeriveID makes an id that is the same whenever it is derived from the same time and parts, so that an effect which is
// computed twice is written once. Who knows the parts can take it first: see ServerID, Case.NewID and RandomID.
func DeriveID(at time.Time, parts ...string) RecordID {
	h := sha256.New()
	for _, p := range parts {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	var r [10]byte
	copy(r[:], h.Sum(nil))
	return NewID(at, r)
}

var reserved = time.Unix(1_600_000_000, 0)

// ServerID derives an id under which only the server makes records: see ReservedID.
func ServerID(parts ...string) RecordID { return DeriveID(reserved, parts...) }

// ReservedID reports whether the server derives ids with the time in this one, to the millisecond: nobody else makes a
// record under such an id, and nobody learns from trying whether it is there. Besides ServerID these are the starts of
// years from 2020 on, for the registers of clues and the organisations; a phone without a clock makes ids of 1970.
func ReservedID(id RecordID) bool {
	ms, err := strconv.ParseInt(strings.Replace(string(id[:min(len(id), 13)]), "-", "", 1), 16, 64)
	if err != nil {
		return false
	}
	at := time.UnixMilli(ms).UTC()
	return at.Equal(reserved) || at.Year() >= 2020 && at.Equal(time.Date(at.Year(), 1, 1, 0, 0, 0, 0, time.UTC))
}

func formatUUID(b [16]byte) string {
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

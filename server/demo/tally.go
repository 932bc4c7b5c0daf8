package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"fieldclue/server/field"
	"fieldclue/sync/phone"
	"fieldclue/sync/protocol"
)

// count is one line of the table.
type count struct {
	zh, en  string
	written map[string]int64 // by device
	stored  int64
	equal   int64
}

func (c *count) total() int64 {
	var n int64
	for _, w := range c.written {
		n += w
	}
	return n
}

func (c *count) right() bool { return c.total() == c.stored && c.stored == c.equal && c.stored > 0 }

// devices are the phones of the story, in the order of the table.
var devices = []string{tablet, phoneA, phoneB}

// rows are the lines of the table.
type rows struct {
	reports, answers, photos, bytes, interviews, findings, fields count
	faults                                                        []string
}

func newRows() *rows {
	r := &rows{
		reports: count{zh: "报告", en: "reports"}, answers: count{zh: "回答", en: "answers"}, photos: count{zh: "照片", en: "photos"},
		bytes: count{zh: "照片字节", en: "photo bytes"}, interviews: count{zh: "访谈", en: "interviews"}, findings: count{zh: "问题", en: "findings"},
		fields: count{zh: "字段", en: "fields"},
	}
	for _, c := range r.all() {
		c.written = map[string]int64{}
	}
	return r
}

func (r *rows) all() []*count {
	return []*count{&r.reports, &r.answers, &r.photos, &r.bytes, &r.interviews, &r.findings, &r.fields}
}

func (r *rows) of(k field.Kind) *count {
	switch k {
	case field.KindReport:
		return &r.reports
	case field.KindPhoto:
		return &r.photos
	case field.KindInterview:
		return &r.interviews
	case field.KindFinding:
		return &r.findings
	}
	return nil
}

func (r *rows) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// tally compares everything that was written on the phones with what the server holds, and says where to look further.
func (d *demo) tally(ctx context.Context) error {
	d.title("对账", "Written, stored, equal")
	r := newRows()
	owners := map[string]string{tablet: lead, phoneA: inspectorA, phoneB: inspectorB}
	ids := map[field.RecordID]bool{}
	var sent, resent int64
	retries, replayed, receipts, waiting := 0, 0, 0, 0
	for _, device := range devices {
		h, err := d.handset(device, owners[device], 0)
		if err != nil {
			return err
		}
		for _, w := range h.phone.Written() {
			if !w.Made {
				continue
			}
			ids[w.ID] = true
			if err := d.compare(ctx, r, device, w); err != nil {
				return err
			}
		}
		s := h.phone.Stats()
		sent, resent = sent+s.BytesSent, resent+s.BytesResent
		retries, replayed, receipts = retries+s.Retries, replayed+s.Replayed, receipts+s.Receipts
		ops, photos := h.phone.Waiting()
		waiting += ops + photos
		for _, p := range s.Problems {
			r.fault("%s: %s", device, p)
		}
		files, err := h.phone.Files()
		if err != nil {
			return err
		}
		if len(files) != s.Receipts { // as long as the receipts say
			r.fault("%s holds %d files and has %d receipts", device, len(files), s.Receipts)
		}
	}
	duplicates, err := d.duplicates(ctx, ids)
	if err != nil {
		return err
	}
	d.table(r)
	d.say("")
	d.say("   重传 sent again      %s of %s; %d retries, %d answers had been lost and came again", megabytes(resent), megabytes(sent), retries, replayed)
	d.say("   回执 signed receipts %d of %d photos; left on the phones: %d", receipts, r.photos.total(), waiting)
	d.say("   重复 duplicates      %d", duplicates)
	switch {
	case duplicates != 0:
		r.fault("%d records are there twice", duplicates)
	case int64(receipts) != r.photos.total():
		r.fault("%d of %d photos have a receipt", receipts, r.photos.total())
	case waiting != 0:
		r.fault("%d things were never sent", waiting)
	case replayed == 0:
		r.fault("no answer was lost after the server had committed: the link was too good")
	}
	for _, c := range r.all() {
		if !c.right() {
			r.fault("%s: written %d, stored %d, equal %d", c.en, c.total(), c.stored, c.equal)
		}
	}
	if d.o.Verify != nil {
		text, err := d.o.Verify(ctx)
		if err != nil {
			r.fault("verification: %v", err)
		}
		d.say("   验证 verification")
		for line := range strings.Lines(text) {
			d.say("      %s", strings.TrimRight(line, "\n"))
		}
	}
	if err := d.farewell(ctx); err != nil {
		return err
	}
	for _, f := range r.faults {
		d.say("   ✗ %s", f)
	}
	if len(r.faults) > 0 {
		return ErrFigures
	}
	d.say("\n   ✓ 全部相符 · every figure is right")
	return nil
}

// compare looks at one record that a phone wrote: is it there, and is every field what the phone last said.
func (d *demo) compare(ctx context.Context, r *rows, device string, w phone.Written) error {
	c := r.of(w.Kind)
	if c == nil {
		return nil
	}
	c.written[device]++
	r.fields.written[device] += int64(len(w.Fields))
	for path := range w.Fields {
		if strings.HasPrefix(path, "answers.") && w.Kind == field.KindReport {
			r.answers.written[device]++
		}
	}
	k := d.desk(supervisor)
	rec, err := k.record(ctx, w.ID)
	if err != nil || rec.Deleted || rec.Kind != w.Kind {
		r.fault("%s %s is not on the server (%v)", w.Kind, w.ID, err)
		return nil
	}
	c.stored++
	fields, err := flat(rec)
	if err != nil {
		return err
	}
	whole := true
	for path, v := range w.Fields {
		isAnswer := strings.HasPrefix(path, "answers.") && w.Kind == field.KindReport
		got, there := fields[path]
		if there {
			r.fields.stored++
			if isAnswer {
				r.answers.stored++
			}
		}
		if !there || !sameJSON(v, got) && !sameValue(w.Kind, path, v, got) {
			whole = false
			r.fault("%s %s: %s was written as %s and is %s", w.Kind, w.ID, path, v, got)
			continue
		}
		r.fields.equal++
		if isAnswer {
			r.answers.equal++
		}
	}
	if w.Kind == field.KindPhoto {
		same, err := d.compareBytes(ctx, r, device, k, w)
		if err != nil {
			return err
		}
		whole = whole && same
	}
	if whole {
		c.equal++
	}
	return nil
}

// compareBytes downloads an original and compares its hash with the one that the phone took.
func (d *demo) compareBytes(ctx context.Context, r *rows, device string, k *desk, w phone.Written) (bool, error) {
	var size int64
	var hash string
	if err := json.Unmarshal(w.Fields["size"], &size); err != nil {
		return false, err
	}
	if err := json.Unmarshal(w.Fields["sha256"], &hash); err != nil {
		return false, err
	}
	r.bytes.written[device] += size
	raw, err := k.fetch(ctx, http.MethodGet, "/v1/photos/"+string(w.ID)+"/original", "", nil)
	if err != nil {
		r.fault("the original of photo %s cannot be read: %v", w.ID, err)
		return false, nil
	}
	r.bytes.stored += int64(len(raw))
	sum := sha256.Sum256(raw)
	if hex.EncodeToString(sum[:]) != hash {
		r.fault("photo %s is not the bytes that were taken", w.ID)
		return false, nil
	}
	r.bytes.equal += int64(len(raw))
	return true, nil
}

// flat gives a record's fields by path, as phones write them.
func flat(rec protocol.PulledRecord) (map[string]field.Value, error) {
	var nested map[string]field.Value
	if err := json.Unmarshal(rec.Fields, &nested); err != nil {
		return nil, fmt.Errorf("%s %s: %w", rec.Kind, rec.ID, err)
	}
	out := map[string]field.Value{}
	for name, v := range nested {
		out[name] = v
		if name == "answers" {
			var members map[string]field.Value
			if err := json.Unmarshal(v, &members); err != nil {
				return nil, fmt.Errorf("%s %s: %w", rec.Kind, rec.ID, err)
			}
			for key, v := range members {
				out[name+"."+key] = v
			}
		}
	}
	return out, nil
}

// sameValue reports whether two values of a field say the same, such as a time at home and the same in UTC.
func sameValue(kind field.Kind, path string, a, b field.Value) bool {
	f, _ := field.KindOf(kind).Field(path)
	return f != nil && f.Same(a, b)
}

func sameJSON(a, b field.Value) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// duplicates loads everything that the supervisor may see onto a fresh device and counts what the phones wrote once and
// the server holds more than once: records of their kinds that no phone made, and photos with the same bytes.
func (d *demo) duplicates(ctx context.Context, made map[field.RecordID]bool) (int, error) {
	dir := filepath.Join(d.o.Dir, "phones", "fresh")
	if err := os.RemoveAll(dir); err != nil {
		return 0, err
	}
	fresh, err := phone.Open(phone.Options{
		Dir: dir, BaseURL: d.o.BaseURL, Sleep: brief,
		Device: phone.Device{ID: field.DeviceID(d.id("fresh device")), Name: "fresh device", Platform: "simulated"},
	})
	if err != nil {
		return 0, err
	}
	defer func() { _ = fresh.Close() }() // nothing was written on it
	if err := d.signOn(ctx, fresh, supervisor); err != nil {
		return 0, err
	}
	if err := fresh.Pull(ctx); err != nil {
		return 0, err
	}
	n, seen := 0, map[string]bool{}
	for _, kind := range []field.Kind{field.KindReport, field.KindPhoto, field.KindInterview, field.KindFinding} {
		for _, rec := range fresh.Records(kind) {
			if !made[rec.ID] {
				n++
			}
			if kind != field.KindPhoto {
				continue
			}
			of, err := fieldsOf[struct{ SHA256 string }](rec)
			if err != nil {
				return 0, err
			}
			if seen[of.SHA256] {
				n++
			}
			seen[of.SHA256] = true
		}
	}
	return n, nil
}

func (d *demo) table(r *rows) {
	line := strings.Repeat(" ", 24)
	for _, device := range devices {
		line += fmt.Sprintf(" %13s", device)
	}
	d.say("%s %12s %12s %12s", line, "written", "stored", "equal")
	for _, c := range r.all() {
		line := "   " + padded(c.zh, 9) + fmt.Sprintf("%-12s", c.en)
		for _, device := range devices {
			line += fmt.Sprintf(" %13d", c.written[device])
		}
		mark := "✓"
		if !c.right() {
			mark = "✗"
		}
		d.say("%s %12d %12d %12d %s", line, c.total(), c.stored, c.equal, mark)
	}
}

// padded fills a text up to a width; a Chinese character takes two columns.
func padded(s string, width int) string {
	for range []rune(s) {
		width -= 2
	}
	return s + strings.Repeat(" ", max(width, 0))
}

// farewell says where to look further, and as whom: each with a device that is enrolled, for nobody signs in without.
func (d *demo) farewell(ctx context.Context) error {
	d.title("自己看看", "Look for yourself")
	if err := d.leaveWork(ctx); err != nil {
		return err
	}
	d.say("   the desk, in a browser on this machine, signed in with one click:")
	for _, who := range []struct{ login, what string }{{supervisor, "审核"}, {clues, "线索"}, {leader, "领导"}, {inspectorA, "检查"}, {admin, "管理"}} {
		d.say("      %s %s · %s", who.login, who.what, d.deskOf(who.login))
	}
	d.say("   sign in at %s/v1/auth/sign-in with name, password and device (of this demo only):", d.o.BaseURL)
	everybody := append([]official{{admin, guangzhou, "何俊杰", "系统管理员", []string{"administrator"}}}, officials...)
	for _, o := range everybody {
		k := d.desk(o.login)
		if err := k.get(ctx, "/v1/me", nil); err != nil {
			return err
		}
		d.say("      %-16s %-23s %s  %s %s %s (%s)", o.login, d.memory.password(o.login), k.device().ID, o.org, o.name, o.title, strings.Join(o.roles, ", "))
	}
	first, _ := d.today()
	for i, c := range d.commands(first[0]) {
		if i == 0 {
			d.say("   three commands to try:")
		}
		d.say("      %s", c)
	}
	d.say("   API reference: %s/docs", d.o.BaseURL)
	return nil
}

// leaveWork puts two of the day's reports under review again, so that the desk has something to review.
func (d *demo) leaveWork(ctx context.Context) error {
	first, second := d.today()
	for _, v := range []visit{first[1], second[0]} {
		err := d.desk(supervisor).click(ctx, "look again at "+v.name, "/v1/reports", d.id(v.report()), "reopen", object{"reason": "演示：请您在工作台上审核。"}, field.ReportUnderReview)
		if err != nil {
			return err
		}
	}
	d.say("   待审 2 reports are under review again and wait for you")
	return nil
}

// deskOf is a link that signs in with one click. What stands behind # stays in the browser.
func (d *demo) deskOf(login string) string {
	q := url.Values{"login": {login}, "password": {d.memory.password(login)}, "device": {string(d.desk(login).device().ID)}}
	return d.o.BaseURL + "/desk#" + q.Encode()
}

// commands are three lines for a shell: a token, the clue's graph, what rests on a photo.
func (d *demo) commands(v visit) []string {
	body := fmt.Sprintf(`{"login":%q,"password":%q,"device":{"id":%q}}`, clues, d.memory.password(clues), d.desk(clues).device().ID)
	return slices.Clip([]string{
		fmt.Sprintf(`TOKEN=$(curl -s %s/v1/auth/sign-in -H 'Content-Type: application/json' -d '%s' | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')`, d.o.BaseURL, body),
		fmt.Sprintf(`curl -s -H "Authorization: Bearer $TOKEN" %s/v1/clues/%s/graph`, d.o.BaseURL, d.id("clue of the cooperative")),
		fmt.Sprintf(`curl -s -H "Authorization: Bearer $TOKEN" %s/v1/photos/%s/impact`, d.o.BaseURL, d.id(v.photo(0))),
	})
}

package field

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fieldclue/sync/exactjson"
)

// A published template is a contract: what a report answers is held against it when it is submitted, and each item that
// does not fit is named. What stands in an item of an older template that contradicts itself, and was published before
// that was refused, holds nobody up.

// checkAnswers holds the answers of a report, and its photos, against the items of its template.
func checkAnswers(r *Record, items []Item, photos []*Record) error {
	answers, err := answersOf(r)
	if err != nil {
		return err
	}
	shown := photosByItem(photos)
	var open []string
	var wrong, wrongZH []string
	for _, it := range items {
		a, n := answers[it.ID], shown[it.ID]
		if en, zh := it.unfit(a.Value); en != "" {
			if len(wrong) >= 20 { // each is named, and the sentence stays one that can be read
				en, zh = "too", "亦不符"
			}
			wrong, wrongZH = append(wrong, it.ID+" "+en), append(wrongZH, it.ID+" "+zh)
			continue
		}
		if most := it.mostPhotos(); most > 0 && n.records > most {
			return Refuse(CodeTooManyPhotos, "%s takes at most %d photos and has %d.", it.ID, most, n.records).
				InChinese("%s 最多 %d 张照片，现有 %d 张。", it.ID, most, n.records)
		}
		if it.open(a, len(n.files), answers) {
			open = append(open, it.ID)
		}
	}
	en, zh := "", ""
	if len(open) > 0 {
		en = fmt.Sprintf("Unanswered: %s. Answer them, or say why it cannot be obtained.", strings.Join(open, ", "))
		zh = fmt.Sprintf("未填写：%s。请填写，或说明无法取得的原因。", strings.Join(open, "、"))
	}
	switch {
	case len(wrong) > 0:
		en, zh = strings.TrimSpace(strings.Join(wrong, "; ")+". "+en), strings.Join(wrongZH, "；")+"。"+zh
		return Refuse(CodeAnswersUnfit, "%s", en).InChinese("%s", zh)
	case len(open) > 0:
		return Refuse(CodeAnswersMissing, "%s", en).InChinese("%s", zh)
	}
	return nil
}

func answersOf(r *Record) (map[string]Answer, error) {
	_, given := r.Keyed("answers")
	answers := make(map[string]Answer, len(given))
	for id, v := range given {
		var a Answer
		if err := json.Unmarshal(v, &a); err != nil {
			return nil, Refuse(CodeWrongType, "The answer to %s cannot be read.", id).InChinese("对 %s 的回答无法读取。", id)
		}
		answers[id] = a
	}
	return answers, nil
}

// shots are the photos of one item.
type shots struct {
	records int
	files   map[string]bool // one file is one photo, however often it is declared
}

func photosByItem(photos []*Record) map[string]shots {
	all := map[string]shots{}
	for _, p := range photos {
		if p.State == PhotoRejected {
			continue
		}
		s := all[p.Text("item")]
		if s.files == nil {
			s.files = map[string]bool{}
		}
		s.records++
		if !strings.HasPrefix(p.Text("type"), "audio/") { // a recording shows nothing
			s.files[p.Text("sha256")] = true
		}
		all[p.Text("item")] = s
	}
	return all
}

// open reports whether an item still waits for its answer, or for photos. n is how many different ones it has.
func (it *Item) open(a Answer, n int, answers map[string]Answer) bool {
	if !Blank(a.CannotObtain) {
		return false
	}
	needed := it.MinPhotos
	if it.Type == "photo" {
		needed = max(needed, 1)
	}
	answered := !blankValue(a.Value) || it.Type == "photo" && n > 0
	if it.Required || it.RequiredIf != nil && it.RequiredIf.holds(answers) {
		return !answered && it.Type != "photo" || n < needed
	}
	return answered && n < needed // who answers shows what the item asks to see
}

// blankValue reports whether a value says nothing: it is missing, cannot be seen, or is a list of such texts.
func blankValue(v Value) bool {
	v = bytes.TrimSpace(v)
	switch {
	case len(v) == 0, bytes.Equal(v, []byte("null")), bytes.Equal(v, []byte("{}")):
		return true
	case v[0] == '"':
		s, ok := exactjson.Text(v)
		return ok && Blank(s)
	case v[0] == '[':
		texts, ok := textsIn(v)
		return ok && !slices.ContainsFunc(texts, func(s string) bool { return !Blank(s) })
	}
	return false
}

func textsIn(v Value) (texts []string, ok bool) {
	return texts, json.Unmarshal(v, &texts) == nil
}

// unfit says in English and Chinese why a value is no answer to the item; both are empty when it is one, or says
// nothing.
func (it *Item) unfit(v Value) (en, zh string) {
	if blankValue(v) {
		return "", ""
	}
	switch it.Type {
	case "text":
		if v[0] != '"' {
			return "is answered with something else than a text", "应填文本"
		}
	case "number":
		if v[0] != '-' && (v[0] < '0' || v[0] > '9') {
			return "is answered with something else than a number", "应填数字"
		}
	case "yes_no":
		if s := string(v); s != "true" && s != "false" {
			return "is answered with something else than true or false", "应填是或否"
		}
	case "choice":
		s, ok := exactjson.Text(v)
		if !ok {
			return "is answered with something else than one of its choices", "应从选项中选一项"
		}
		if !it.offers(s) {
			return fmt.Sprintf("has no choice %q", clip(s)), fmt.Sprintf("没有选项“%s”", clip(s))
		}
	case "choices":
		texts, ok := textsIn(v)
		if !ok {
			return "is answered with something else than a list of its choices", "应从选项中选若干项"
		}
		for i, s := range texts {
			if !it.offers(s) {
				return fmt.Sprintf("has no choice %q", clip(s)), fmt.Sprintf("没有选项“%s”", clip(s))
			}
			if containsText(texts[:i], s) {
				return fmt.Sprintf("names the choice %q twice", clip(s)), fmt.Sprintf("重复选择“%s”", clip(s))
			}
		}
	}
	return "", "" // of a photo the value is the app's own business: its photos are counted
}

// offers reports whether a text is one of the item's choices. An older template may have none: then every text is one.
func (it *Item) offers(s string) bool {
	return containsText(it.Choices, s) || len(it.Choices) == 0 && !Blank(s)
}

func containsText(texts []string, s string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return sameText(t, s) })
}

// holds reports whether the answer on which another item depends is the one that makes it required. Of a list of
// choices it is enough that the one that is named, or each of those, is among them.
func (c *Condition) holds(answers map[string]Answer) bool {
	a := answers[c.Item]
	if !Blank(a.CannotObtain) {
		return false
	}
	return sameValue(a.Value, c.Equals)
}

func sameValue(given, wanted Value) bool {
	given, wanted = bytes.TrimSpace(given), bytes.TrimSpace(wanted)
	if len(given) == 0 || len(wanted) == 0 {
		return false
	}
	if given[0] == '[' {
		have, ok := textsIn(given)
		want, many := textsIn(wanted)
		if s, one := exactjson.Text(wanted); one {
			want, many = []string{s}, true
		}
		return ok && many && len(want) > 0 && !slices.ContainsFunc(want, func(s string) bool { return !containsText(have, s) })
	}
	if a, ok := exactjson.Text(given); ok {
		b, text := exactjson.Text(wanted)
		return text && sameText(a, b)
	}
	if a, err := strconv.ParseFloat(string(given), 64); err == nil {
		b, err := strconv.ParseFloat(string(wanted), 64)
		return err == nil && a == b
	}
	return bytes.Equal(given, wanted)
}

// contradicts says why a template cannot be published as it stands; nil: it can be. Nobody could answer it, or
// everybody would have to answer what the ledger holds already (减负: ask once).
func contradicts(items []Item) error {
	for i := range items {
		it, before := &items[i], items[:i]
		named := func(id string) func(Item) bool { return func(o Item) bool { return o.ID == id } }
		switch {
		case !validKey(it.ID) || slices.ContainsFunc(before, named(it.ID)):
			return Refuse(CodeBadID, "Item %s needs an id of its own, of letters, digits, '-' and '_'.", clip(it.ID)).
				InChinese("事项 %s 须有自己的编号，由字母、数字、'-' 和 '_' 组成。", clip(it.ID))
		case it.Known != "":
			return Refuse(CodeAsksAgain, "Item %s asks for %s, which the ledger holds already.", it.ID, clip(it.Known)).
				InChinese("事项 %s 询问 %s，而台账已有该内容。", it.ID, clip(it.Known))
		case Blank(it.ZH):
			return Refuse(CodeMissingField, "Item %s asks nothing that can be seen.", it.ID).InChinese("事项 %s 没有可见的问题文字。", it.ID)
		case it.MaxPhotos != nil && it.MinPhotos > *it.MaxPhotos:
			return Refuse(CodeOutOfRange, "Item %s asks for more photos than it takes.", it.ID).InChinese("事项 %s 要求的照片多于上限。", it.ID)
		case it.Type == "photo" && it.MaxPhotos != nil && *it.MaxPhotos == 0:
			return Refuse(CodeOutOfRange, "Item %s is answered with photos and takes none.", it.ID).InChinese("事项 %s 须以照片作答，上限却为零。", it.ID)
		}
		if err := it.choicesFit(); err != nil {
			return err
		}
		if it.RequiredIf == nil {
			continue
		}
		on := slices.IndexFunc(items, named(it.RequiredIf.Item))
		switch {
		case it.RequiredIf.Item == it.ID:
			return Refuse(CodeBadChoice, "Item %s depends on itself.", it.ID).InChinese("事项 %s 以自身为条件。", it.ID)
		case on < 0:
			return Refuse(CodeBadChoice, "Item %s depends on %s, which is not in the template.", it.ID, clip(it.RequiredIf.Item)).
				InChinese("事项 %s 以 %s 为条件，而模板中没有该事项。", it.ID, clip(it.RequiredIf.Item))
		case on > i:
			return Refuse(CodeBadChoice, "Item %s depends on %s, which is asked after it.", it.ID, items[on].ID).InChinese("事项 %s 以其后的 %s 为条件。", it.ID, items[on].ID)
		case !items[on].canBe(it.RequiredIf.Equals):
			return Refuse(CodeBadChoice, "Item %s depends on an answer that %s can never have.", it.ID, items[on].ID).InChinese("事项 %s 的条件是 %s 不可能的回答。", it.ID, items[on].ID)
		}
	}
	if len(items) == 0 {
		return Refuse(CodeMissingField, "A template has at least one item.").InChinese("模板至少须有一个事项。")
	}
	return nil
}

// choicesFit refuses a question of choice without any, and choices that cannot be told apart or belong to no question
// of choice.
func (it *Item) choicesFit() error {
	asks := it.Type == "choice" || it.Type == "choices"
	switch {
	case asks && len(it.Choices) == 0:
		return Refuse(CodeMissingField, "Item %s is a question of choice and has no choices.", it.ID).InChinese("事项 %s 是选择题，却没有选项。", it.ID)
	case !asks && len(it.Choices) > 0:
		return Refuse(CodeBadChoice, "Item %s has choices and is no question of choice.", it.ID).InChinese("事项 %s 不是选择题，却有选项。", it.ID)
	}
	for i, s := range it.Choices {
		if Blank(s) {
			return Refuse(CodeMissingField, "Item %s has a choice that cannot be seen.", it.ID).InChinese("事项 %s 有看不见的选项。", it.ID)
		}
		if containsText(it.Choices[:i], s) {
			return Refuse(CodeBadChoice, "Item %s has the choice %q twice.", it.ID, clip(s)).InChinese("事项 %s 的选项“%s”重复。", it.ID, clip(s))
		}
	}
	return nil
}

// canBe reports whether a value may be an answer to the item. What equals a question of several choices is one of them
// or a list.
func (it *Item) canBe(v Value) bool {
	v = bytes.TrimSpace(v)
	if s, ok := exactjson.Text(v); ok && it.Type == "choices" {
		return it.offers(s)
	}
	en, _ := it.unfit(v)
	return it.Type != "photo" && !blankValue(v) && en == ""
}

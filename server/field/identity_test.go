package field_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"fieldclue/server/field"
)

// TestNumbersOfPeopleAreFound writes them in the ways in which people do, and some do to get them past a check.
func TestNumbersOfPeopleAreFound(t *testing.T) {
	for _, text := range []string{
		// Mobile numbers.
		"13800138000", "电话13800138000。", "打 138 0013 8000 找他", "138-0013-8000", "138.0013.8000", "138/0013/8000", "138·0013·8000", "138・0013・8000",
		"138_0013_8000", "138—0013—8000", "138–0013–8000", "138\u00a00013\u30008000", "138\u200b0013\u200d8000", "138\u2060\ufeff00138000", "138\u00ad0013\u00ad8000",
		"１３８００１３８０００", "１３８ ００１３ ８０００", "١٣٨٠٠١٣٨٠٠٠", "۱۳۸۰۰۱۳۸۰۰۰", "१३८००१३८०००", "𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟖𝟎𝟎𝟎", "①③⑧⓪⓪①③⑧⓪⓪⓪", "¹³⁸⁰⁰¹³⁸⁰⁰⁰", "₁₃₈₀₀₁₃₈₀₀₀",
		"1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣",
		"一三八零零一三八零零零", "一三八〇〇一三八〇〇〇", "壹叁捌零零壹叁捌零零零", "幺三八零零幺三八零零零", "一38零零13八000", "一三八 零零一三 八零零零", "另一13800138000",
		"+8613800138000", "+86 138 0013 8000", "008613800138000", "0086-13800138000", "8613800138000", "(+86)138-0013-8000", "（86）13800138000", "tel:+86-138-0013-8000",
		"(138)00138000", "138*0013*8000", "138~0013~8000", "138|0013|8000", "138，0013，8000", "138、0013、8000", "138\n0013\n8000", "138:0013:8000", "1 3 8 0 0 1 3 8 0 0 0",
		"13800138.000", "1380013800.0", "李四13800138000/王五", "1.13800138000", "2026-01-02 13800138000", "13800138000 2026-01-02", "13800138000 13900139000",
		"013800138000", "0 138-0013-8000", "86013800138000", "138×0013×8000", "HT13912345678", "IMG_13800138000.jpg", "19900113800", "13800138000x", "13800138000.00 万", "１３８,００１３,８０００", "138ー0013ー8000",
		// Identity cards.
		"11010519491231002X", "11010519491231002x", "身份证11010519491231002X。", "110105194912310021的前一位错了，对的是11010519491231002X", "110105 19491231 002X", "110105-19491231-002X",
		"110105.1949.12.31.002X", "110105 1949-12-31 002X", "11010519491231002Ｘ", "１１０１０５１９４９１２３１００２Ｘ", "11010519491231002Ⅹ", "11010519491231002Х", "11010519491231002𝐗", "11010519491231002𝚡", "11010519491231002Ⓧ", "11010519491231002×，是", "11010519491231002 ×", "1101051949123100 2 X",
		"110\u200b105\u200b19491231002X", "110105,19491231,002X", "110,105,194,912,310,02X", "110105194912310\n02X", "一一零一零五一九四九一二三一零零二X", "ID11010519491231002X", "11010519491231002Xabc",
		"130503670401001", "130503 670401 001", "１３０５０３６７０４０１００１",
		// Bank cards.
		"6222021001116245702", "6222 0210 0111 6245 702", "6222-0210-0111-6245-702", "6228480402564890018", "4111111111111111", "4111 1111 1111 1111", "5555555555554444", "378282246310005", "卡号：6228480402637874213",
		"９５５８８０１５０２１００３２４１４３", "6222,0210,0111,6245,702",
	} {
		if !field.HasIdentity(text) {
			if strings.Contains(text, "９５５８") {
				continue // see TestCardsHaveACheckDigit
			}
			t.Errorf("not found: %q", text)
			continue
		}
		m := field.MaskIdentity(text)
		if field.HasIdentity(m) || !strings.Contains(m, "▪") || utf8.RuneCountInString(m) != utf8.RuneCountInString(text) {
			t.Errorf("%q is masked as %q", text, m)
		}
	}
}

// TestHonestNumbersAreLetThrough has what stands in reports and is no number of a person.
func TestHonestNumbersAreLetThrough(t *testing.T) {
	for _, text := range []string{
		"", "甲户", "一三八", "二〇二六年一月二日", "第一百三十八号",
		// Amounts.
		"1,234,567.89", "12,345,678,901.23", "13,800,138,000", "138,001,380.00 元", "￥13800138000.00", "13800138000元", "合同价 13800138000.00 元", "138001380.00元", "1234567.89", "13,800,138,000.00，其中 1,234.50",
		"金额13800138000", "人民币 138001380.00", "480000", "1890000.00", "1，234，567.89",
		// Contracts, projects, documents.
		"HT-2026-0001-0023", "HT16-345454001", "v1-3174324862", "GF-2017-0201", "黔乡振〔2025〕138号", "520502-2025-013", "BJ-2026-0001", "bijie-2026-0001", "5205022026000123", "5205022026000124", "5205022026000131", "520502202500013", "520502201001013",
		"91520502MA6DLX1234", "12345678901", "10086", "0857-8222001", "0857 8222001", "12380", "K2+300", "2025110100012345", "123456789012345678",
		// Identifiers and hashes.
		"0193a000-0000-7000-8000-000000000001", "01938001-3800-7138-8001-380013800138", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "5d41402abc4b2a76b9719d911017c592",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709", "R-3F2A-91B0-77C1", "0f13800138000e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca4",
		// Days and times.
		"2026-01-02", "2026-01-02 13:45:00", "2026-01-02T13:45:00.123+08:00", "2026-01-02 13:45:00.123+08:00", "2026-03-15 2026-03-16 23:00", "2026-3-15 2026-3-16 12:00", "20260102134500", "2026/1/13 8:00-17:30",
		"13:45-15:30", "IMG_20260102_134500123.jpg", "mmexport1672531200000.jpg", "wx_camera_1672531200000.mp4", "PXL_20260102_134500123.jpg", "Screenshot_2026-01-02-13-45-00-123_com.tencent.mm.png", "139 2026-01-02",
		// Standards and places.
		"GB/T 2260-2007", "GB 11643-1999", "GB/T 50326-2017、GB 50300-2013", "106.630153, 26.647661", "26.647661,106.630153", "18.252847 109.511909", "109.511909 18.252847", "18.252847,109.511909", "E106°37′48″ N26°38′51″",
		"经度106.630153 纬度26.647661", "43.825592, 87.616848",
		// Counts and measures.
		"15.5、16.2、17.8、18.0", "15，16，17，18，19，2", "120户、138户、15户", "15% 16% 17% 18% 19% 2%", "裂缝宽 1.35 mm、1.40 mm", "138 亩 0013 号 8000 元", "115.25、116.25、117.5",
		// Nearly.
		"12800138000", "1380013800", "138001380001", "110105194912310021", "110105194913310026", "11010518491231002X", "991201670401001", "130503671401001", "6222021001116245703", "7222021001116245702",
		"6222 **** **** 5702", "138****8000",
	} {
		if field.HasIdentity(text) {
			t.Errorf("%q is taken for a number of a person: %s", text, field.MaskIdentity(text))
		}
		if m := field.MaskIdentity(text); m != text {
			t.Errorf("%q is masked as %q", text, m)
		}
	}
}

func TestNumbersInValues(t *testing.T) {
	for value, want := range map[string]string{
		`"13800138000"`: `"▪▪▪▪▪▪▪▪▪▪▪"`,
		`13800138000`:   `"▪▪▪▪▪▪▪▪▪▪▪"`,
		`13800138000.5`: `13800138000.5`,
		`13800138000.0`: `"▪▪▪▪▪▪▪▪▪▪▪"`,
		`1.38e10`:       `"▪▪▪▪▪▪▪▪▪▪▪"`,
		`[1.3800138e10,13800138000e0,138001380000e-1,0.13800138E+11]`: `["▪▪▪▪▪▪▪▪▪▪▪","▪▪▪▪▪▪▪▪▪▪▪","▪▪▪▪▪▪▪▪▪▪▪","▪▪▪▪▪▪▪▪▪▪▪"]`,
		`[1e999999999999,1.38001380001e1,26.6476613,1e-400]`:          `[1e999999999999,1.38001380001e1,26.6476613,1e-400]`,
		`"1380\u0030138000 \u003c"`:                                   `"▪▪▪▪▪▪▪▪▪▪▪ \u003c"`,
		`{"a":[{"13800138000":1}],"b":"x"}`:                           `{"a":[{"▪▪▪▪▪▪▪▪▪▪▪":1}],"b":"x"}`,
		`{"a":{"b":["y","11010519491231002X"]}}`:                      `{"a":{"b":["y","▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪"]}}`,
		`{"a":1,"b":true,"c":null}`:                                   `{"a":1,"b":true,"c":null}`,
	} {
		got := string(field.MaskedValue(field.Value(value)))
		if got != want || !json.Valid([]byte(got)) {
			t.Errorf("%s is masked as %s", value, got)
		}
		if found := field.IdentityIn(field.Value(value)); found != (got != value) {
			t.Errorf("%s: found %v", value, found)
		}
	}
}

// TestEveryTextOfEveryKindIsAsked walks all fields and all arguments of all commands that somebody else than the server
// may set.
func TestEveryTextOfEveryKindIsAsked(t *testing.T) {
	const phone = "13800138000"
	asked := 0
	for _, s := range field.Kinds() {
		for _, f := range s.Fields {
			for _, v := range said(&f, phone) {
				asked++
				if s.Identity(map[string]field.Value{f.Name: v}, "", nil) != f.Name {
					t.Errorf("%s.%s takes %s", s.Kind, f.Name, v)
				}
			}
		}
		for _, cmd := range s.Commands {
			for _, f := range cmd.Args {
				for _, v := range said(&f, phone) {
					asked++
					if s.Identity(nil, cmd.Name, map[string]field.Value{f.Name: v}) != f.Name {
						t.Errorf("%s.%s takes %s in %s", s.Kind, cmd.Name, v, f.Name)
					}
				}
			}
		}
	}
	if asked < 300 {
		t.Fatalf("%d texts were asked", asked)
	}
	spec := field.KindOf(field.KindFinding)
	if name := spec.Identity(map[string]field.Value{"amount": field.Value(phone), "id": nil}, "", nil); name != "" {
		t.Errorf("an amount is refused in %s", name)
	}
	err := spec.Spoken(map[string]field.Value{phone: field.Value("1")}, "", nil)
	if !field.Is(err, field.CodeIdentityInText) || strings.Contains(err.Error(), phone) {
		t.Errorf("a field of that name: %v", err)
	}
}

// said are values with a number of a person that somebody may send for a field, be they of its type or not.
func said(f *field.Field, number string) []field.Value {
	one := []any{number, "说 " + number}
	if f.Type != field.Number && f.Type != field.Integer && f.Type != field.Object {
		one = append(one, json.Number(number))
	}
	if f.Type == field.Object {
		one = append(one, map[string]any{number: 1}, map[string]any{"unheard": number})
		for _, m := range f.Fields {
			for _, v := range said(&m, number) {
				one = append(one, map[string]any{m.Name: v})
			}
		}
	}
	var out []field.Value
	for _, v := range one {
		out = append(out, field.Quote(v))
		if f.List {
			out = append(out, field.Quote([]any{v}))
		}
		if f.Keyed {
			out = append(out, field.Quote(map[string]any{"k": v}))
		}
	}
	cut := field.Value(`["138","0013","8000"]`)
	if f.List && f.Type == field.Text || f.Type == field.Any {
		out = append(out, cut)
	}
	if f.Keyed && f.Type == field.Any {
		out = append(out, field.Quote(map[string]any{"k": cut}))
	}
	return out
}

// FuzzIdentity looks for a text that stops the finder, or in which something between the digits of a number hides it.
func FuzzIdentity(f *testing.F) {
	f.Add("身份证 11010519491231002X，电话", 3, 7)
	f.Add("13800138000", 1, 0)
	f.Add("６２２２０２１００１１１６２４５７０２", 2, 3)
	f.Add("\xff\xfe138\x00", 0, 1)
	between := []string{" ", "-", ".", "/", "·", "\u200b", "\u3000", "－", "•", "_", "—", "\u00ad", "\ufe0f", "・"}
	numbers := []string{"13800138000", "8613912345678", "11010519491231002X", "130503670401001", "6222021001116245702", "4111111111111111", "一三八零零一三八零零零"}
	f.Fuzz(func(t *testing.T, s string, seed, step int) {
		found := field.HasIdentity(s)
		if m := field.MaskIdentity(s); found && !strings.Contains(m, "▪") || !found && m != s {
			t.Fatalf("%q found %v and is masked as %q", s, found, m)
		}
		if raw := field.Quote(s); utf8.ValidString(s) && !json.Valid(field.MaskedValue(raw)) {
			t.Fatalf("%s is masked as what is no JSON", raw)
		}
		field.IdentityIn(field.Value(s))
		field.MaskedValue(field.Value(s))
		seed, step = seed&0xffff, step&0xffff
		var b strings.Builder
		sep := between[seed%len(between)]
		for i, r := range []rune(numbers[(seed/len(between))%len(numbers)]) {
			if i > 0 && (step>>(i%16))&1 == 1 {
				b.WriteString(sep)
			}
			b.WriteRune(r)
		}
		if text := "找 " + b.String() + " 问"; !field.HasIdentity(text) {
			t.Fatalf("not found: %q", text)
		}
	})
}

// A megabyte of digits, and one of numbers, are looked through at once: the time grows with the length, not with its
// square.
func TestLongTextsAreLookedThrough(t *testing.T) {
	for _, part := range []string{"1", "1 ", "13800138000 ", "2026-01-02 ", "1,234 ", "一", "x1"} {
		text := strings.Repeat(part, 1<<20/len(part))
		if m := field.MaskIdentity(text); strings.Contains(part, "13800138000") && strings.Contains(m, "8") {
			t.Errorf("of many %q some are not masked", part)
		}
	}
}

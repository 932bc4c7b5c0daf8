package tables_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"fieldclue/server/field"
	"fieldclue/server/tables"
)

func book(t *testing.T, cells map[string]any) []byte {
	t.Helper()
	f := excelize.NewFile()
	for at, v := range cells {
		if err := f.SetCellValue("Sheet1", at, v); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The same table is read from every form in which an office has it.
func TestOneTableInEveryForm(t *testing.T) {
	want := [][]string{{"项目编号", "名称", "预算"}, {"A-1", "长冲村,通组路", "1200000"}, nil, {"A-2", "", "3.5"}}
	utf8 := "项目编号,名称,预算\r\nA-1,\"长冲村,通组路\", 1200000\r\n,,\r\nA-2,,3.5,,\r\n,,\r\n"
	gbk, err := simplifiedchinese.GB18030.NewEncoder().String(utf8)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"csv": []byte(utf8), "csv with a mark": []byte("\ufeff" + utf8), "csv of Excel on a Chinese computer": []byte(gbk),
		"semicolons": []byte("项目编号;名称;预算\nA-1;长冲村,通组路;1200000\n;;\nA-2;;3.5\n"), "tabs": []byte("项目编号\t名称\t预算\nA-1\t长冲村,通组路\t1200000\n\t\t\nA-2\t\t3.5"),
		"xlsx": book(t, map[string]any{"A1": "项目编号", "B1": "名称", "C1": "预算", "A2": "A-1", "B2": "长冲村,通组路", "C2": 1200000, "A4": "A-2", "C4": 3.5, "A5": " "}),
	} {
		sheets, err := tables.Read(file)
		if err != nil || len(sheets) != 1 {
			t.Errorf("%s: %v, %d sheets", name, err, len(sheets))
			continue
		}
		got := sheets[0].Rows
		if len(got) > 2 && len(got[2]) == 0 {
			got[2] = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWhatIsNoTableIsRefused(t *testing.T) {
	whole := book(t, map[string]any{"A1": "x"})
	for name, file := range map[string][]byte{
		"nothing": nil, "space": []byte(" \r\n"), "a picture": []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), "an old workbook": []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00"),
		"half a workbook": whole[:len(whole)/2], "a zip of nothing": []byte("PK\x03\x04"), "no text": []byte("a,b\n\xff\xff\xff"), "a quote that never ends": []byte("a,\"b\nc"),
	} {
		if sheets, err := tables.Read(file); !field.Is(err, field.CodeUnsupportedType) {
			t.Errorf("%s: %v, %v", name, sheets, err)
		}
	}
	wide := strings.Repeat("x,", 61) + "\n"
	for name, file := range map[string][]byte{
		"rows": []byte(strings.Repeat("x\n", 5001)), "columns": []byte(wide), "a cell": []byte("a," + strings.Repeat("字", 700)), "bytes": make([]byte, tables.MostBytes+1),
	} {
		if _, err := tables.Read(file); !field.Is(err, field.CodeTooLong) {
			t.Errorf("too many %s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("a,b\n1,2"))
	f.Add([]byte("PK\x03\x04x"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if sheets, err := tables.Read(file); (err == nil) != (len(sheets) > 0) {
			t.Errorf("%v, %v", sheets, err)
		}
	})
}

// altered is a workbook with something else in the sheet.
func altered(t *testing.T, workbook []byte, from, to string) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(workbook), int64(len(workbook)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	hits := 0
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == "xl/worksheets/sheet1.xml" {
			hits = bytes.Count(text, []byte(from))
			text = bytes.ReplaceAll(text, []byte(from), []byte(to))
		}
		entry, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || hits == 0 {
		t.Fatalf("%q stands %d times in the sheet, %v", from, hits, err)
	}
	return out.Bytes()
}

// A workbook that claims far rows or columns, text that is not there, or that unfolds to much more than it has, is
// refused, or read as the one row that it holds: it breaks nothing.
func TestAHostileWorkbookBreaksNothing(t *testing.T) {
	whole := book(t, map[string]any{"A1": "x", "B1": "y"})
	for name, file := range map[string][]byte{
		"the last row":       altered(t, whole, `<row r="1"`, `<row r="1048576"`),
		"a row beyond":       altered(t, whole, `<row r="1"`, `<row r="2147483647"`),
		"a row before":       altered(t, whole, `<row r="1"`, `<row r="-5"`),
		"the last column":    altered(t, whole, `r="B1"`, `r="XFD1"`),
		"a column beyond":    altered(t, whole, `r="B1"`, `r="ZZZZZZZ1"`),
		"text that is none":  altered(t, whole, `<v>1</v>`, `<v>-1</v>`),
		"what unfolds":       altered(t, whole, `<row r="1"`, strings.Repeat(" ", 64<<20)+`<row r="1"`),
		"rows without end":   altered(t, whole, `</sheetData>`, strings.Repeat(`<row><c t="str"><v>x</v></c></row>`, 6000)+`</sheetData>`),
		"elements in others": altered(t, whole, `</sheetData>`, strings.Repeat(`<row>`, 100_000)+`</sheetData>`),
	} {
		sheets, err := tables.Read(file)
		var fe *field.Error
		if err != nil && !errors.As(err, &fe) || err == nil && (len(sheets) != 1 || len(sheets[0].Rows) > 1) {
			t.Errorf("%s: %d sheets, %v", name, len(sheets), err)
		}
	}
}

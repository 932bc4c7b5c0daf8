// Package tables reads the tables that offices keep: XLSX workbooks, and CSV as UTF-8 or GB 18030, in which Excel saves
// it on a Chinese computer. It is pure, and bounded: what is read comes from anybody who is signed in.
package tables

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"fieldclue/server/field"
)

// Bounds of what is read. What has more is refused as too_long.
const (
	MostBytes   = 4 << 20 // of the file
	mostUnzip   = 48 << 20
	mostRows    = 5000
	mostColumns = 60
	mostCell    = 2000 // bytes
)

// Sheet is one table: rows of cells as they are shown, without empty ones at the end.
type Sheet struct {
	Name string     `json:"name"`
	Rows [][]string `json:"rows"`
}

// Read reads all tables of a file. What is no table is CodeUnsupportedType, what has too much of it CodeTooLong.
func Read(file []byte) (sheets []Sheet, err error) {
	switch {
	case len(file) > MostBytes:
		return nil, tooLong("bytes", "字节", MostBytes)
	case bytes.HasPrefix(file, []byte("PK\x03\x04")):
		return workbook(file)
	case bytes.IndexByte(file, 0) >= 0 || len(bytes.TrimSpace(file)) == 0:
		return nil, noTable()
	}
	return separated(file)
}

// workbook reads XLSX. A library that reads what strangers send may fail in any way: that is their file's fault.
func workbook(file []byte) (sheets []Sheet, err error) {
	defer func() {
		if recover() != nil {
			sheets, err = nil, noTable()
		}
	}()
	book, err := excelize.OpenReader(bytes.NewReader(file), excelize.Options{UnzipSizeLimit: mostUnzip, UnzipXMLSizeLimit: mostUnzip})
	if err != nil {
		return nil, noTable()
	}
	defer func() { _ = book.Close() }() // it has no files: the limits keep it in memory
	total := 0
	for _, name := range book.GetSheetList() {
		rows, err := book.Rows(name)
		if err != nil {
			return nil, noTable()
		}
		sheet := Sheet{Name: name, Rows: [][]string{}}
		for rows.Next() {
			cells, err := rows.Columns()
			if err != nil {
				return nil, noTable()
			}
			if total++; total > mostRows {
				return nil, tooLong("rows", "行", mostRows)
			}
			if sheet.Rows, err = add(sheet.Rows, cells); err != nil {
				return nil, err
			}
		}
		if sheet.Rows = withoutEnd(sheet.Rows); len(sheet.Rows) > 0 {
			sheets = append(sheets, sheet)
		}
	}
	if len(sheets) == 0 {
		return nil, noTable()
	}
	return sheets, nil
}

// separated reads CSV, with the separator that its first line has most of.
func separated(file []byte) ([]Sheet, error) {
	file = bytes.TrimPrefix(file, []byte("\ufeff"))
	if !utf8.Valid(file) {
		decoded, err := simplifiedchinese.GB18030.NewDecoder().Bytes(file)
		if err != nil || bytes.ContainsRune(decoded, utf8.RuneError) {
			return nil, noTable()
		}
		file = decoded
	}
	r := csv.NewReader(bytes.NewReader(file))
	r.FieldsPerRecord = -1
	line, _, _ := bytes.Cut(file, []byte("\n"))
	for _, sep := range []rune{';', '\t'} {
		if bytes.Count(line, []byte(string(sep))) > bytes.Count(line, []byte(string(r.Comma))) {
			r.Comma = sep
		}
	}
	r.TrimLeadingSpace = r.Comma != '\t'
	var rows [][]string
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, noTable()
		}
		if len(rows) == mostRows {
			return nil, tooLong("rows", "行", mostRows)
		}
		if rows, err = add(rows, cells); err != nil {
			return nil, err
		}
	}
	if rows = withoutEnd(rows); len(rows) == 0 {
		return nil, noTable()
	}
	return []Sheet{{Rows: rows}}, nil
}

// add adds a row, its cells trimmed.
func add(rows [][]string, cells []string) ([][]string, error) {
	if len(cells) > mostColumns {
		return nil, tooLong("columns", "列", mostColumns)
	}
	row := make([]string, 0, len(cells))
	for _, c := range cells {
		if c = strings.TrimSpace(c); len(c) > mostCell {
			return nil, tooLong("bytes in a cell", "字节（单元格）", mostCell)
		}
		row = append(row, c)
	}
	for len(row) > 0 && row[len(row)-1] == "" {
		row = row[:len(row)-1]
	}
	return append(rows, row), nil
}

func withoutEnd(rows [][]string) [][]string {
	for len(rows) > 0 && len(rows[len(rows)-1]) == 0 {
		rows = rows[:len(rows)-1]
	}
	return rows
}

func noTable() error {
	return field.Refuse(field.CodeUnsupportedType, "The file is no XLSX workbook and no CSV table.").InChinese("该文件不是 XLSX 工作簿，也不是 CSV 表格。")
}

func tooLong(en, zh string, most int) error {
	return field.Refuse(field.CodeTooLong, "The table has over %d %s.", most, en).InChinese("表格超过 %d %s。", most, zh)
}

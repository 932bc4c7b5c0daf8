package field

// ExportMade is the only state of an export.
const ExportMade State = "made"

// exportSpec says that the file of a case has left the house: which, to the byte, and by whom. It lives in the register
// of the managing organisation and not in the scope of the clue, so that exporting changes nothing about the case: the
// same case gives the same file again.
var exportSpec = &Spec{
	Long: true, Kind: KindExport, ZH: "案卷导出", EN: "export of a case file", Home: ScopeRegister, Opens: OpensNone, Filed: FiledNone, ServerOK: true,
	Initial: ExportMade, States: []Choice{{Code: "made", ZH: "已导出", EN: "made"}},
	Fields: []Field{
		{Name: "clueId", Type: ID, Of: KindClue, Required: true, Server: true, Key: true, ZH: "线索", EN: "clue"},
		{Name: "by", Type: ID, Of: KindPerson, Server: true, Key: true, ZH: "导出人；空缺：由服务器上的命令导出", EN: "exported by; missing: by a command on the server"},
		{Name: "sha256", Type: Hash, Required: true, Server: true, Key: true, ZH: "文件的 SHA-256", EN: "SHA-256 of the file"},
		{Name: "size", Type: Integer, Low: 1, High: 1 << 50, Required: true, Server: true, ZH: "大小（字节）", EN: "size in bytes"},
		{Name: "photos", Type: ID, Of: KindPhoto, Evidence: OnlyNamed, List: true, Items: 10_000, Server: true, Key: true, ZH: "照片", EN: "photos whose originals are in it"},
	},
	Trace: &Trace{Key: "photos", Steps: []Step{
		{Code: StepExported, Set: []string{"clueId", "sha256", "size"}, Shows: []string{"clueId", "sha256", "size"}},
	}},
	Rank: func(r *Record) string { return RankNewest(r.CreatedAt) },
}

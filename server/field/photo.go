package field

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// States of a photo.
const (
	PhotoDeclared State = "declared"
	PhotoStored   State = "stored"
	PhotoVerified State = "verified"
	PhotoAnalysed State = "analysed"
	PhotoLinked   State = "linked"
	PhotoRejected State = "rejected"
)

// PhotoType is a media type that is taken.
type PhotoType struct {
	Choice
	Ext       string // of a file's name
	Recording bool   // sound or film: kept, and not looked into
}

// PhotoTypes are all that are taken.
var PhotoTypes = []PhotoType{
	{Choice{Code: "image/jpeg", ZH: "JPEG", EN: "JPEG"}, ".jpg", false},
	{Choice{Code: "image/png", ZH: "PNG", EN: "PNG"}, ".png", false},
	{Choice{Code: "image/heic", ZH: "HEIC", EN: "HEIC"}, ".heic", false},
	{Choice{Code: "video/mp4", ZH: "视频", EN: "video"}, ".mp4", true},
	{Choice{Code: "video/quicktime", ZH: "视频（MOV）", EN: "video (MOV)"}, ".mov", true},
	{Choice{Code: "video/3gpp", ZH: "视频（3GP）", EN: "video (3GP)"}, ".3gp", true},
	{Choice{Code: "audio/mp4", ZH: "录音", EN: "audio"}, ".m4a", true},
	{Choice{Code: "audio/3gpp", ZH: "录音（3GP）", EN: "audio (3GP)"}, ".3gp", true},
}

// photoNames are other names of the types, as libraries of phones give them.
var photoNames = map[string]string{
	"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/heif": "image/heic", "video/mov": "video/quicktime",
	"video/3gp": "video/3gpp", "audio/3gp": "audio/3gpp", "audio/m4a": "audio/mp4", "audio/x-m4a": "audio/mp4",
}

// PhotoTypeOf finds a type by its name, or by another name for it; ok is false when it is not taken.
func PhotoTypeOf(name string) (t PhotoType, ok bool) {
	if other, known := photoNames[name]; known {
		name = other
	}
	i := slices.IndexFunc(PhotoTypes, func(t PhotoType) bool { return t.Code == name })
	if i < 0 {
		return PhotoType{}, false
	}
	return PhotoTypes[i], true
}

func photoChoices() (all []Choice) {
	for _, t := range PhotoTypes {
		all = append(all, t.Choice)
	}
	return all
}

// The largest files that are taken, in bytes. An office may set another for images.
const (
	DefaultImageMax = 64 << 20
	RecordingMax    = 2 << 30
)

// PhotoMax is how many bytes a file of a type may have; imageMax 0 is the default.
func PhotoMax(t PhotoType, imageMax int64) int64 {
	switch {
	case t.Recording:
		return RecordingMax
	case imageMax == 0:
		return DefaultImageMax
	}
	return imageMax
}

// declarePhoto refuses what its upload would have to refuse.
func declarePhoto(c *Case) error {
	t, ok := PhotoTypeOf(c.Record.Text("type"))
	if most := PhotoMax(t, c.ImageMax); ok && c.Record.Int("size") > most {
		return Refuse(CodePhotoTooBig, "A file of the type %s may have %d bytes.", t.Code, most).
			InChinese("%s 类型的文件最多 %d 字节。", t.Code, most)
	}
	return nil
}

// declaration are the fields that the bytes of a photo must agree with.
var declaration = []string{"sha256", "size", "type"}

// redeclarePhoto lets a declaration be corrected. What was declared first stays beside it, and the report that names
// the hash names the new one.
func redeclarePhoto(c *Case) error {
	old, err := c.Look.Get(c.Record.ID)
	if err != nil || old == nil {
		return err
	}
	first := map[string]Value{}
	for _, name := range declaration {
		if !bytes.Equal(old.Fields[name], c.Record.Fields[name]) {
			first[name] = old.Fields[name]
		}
	}
	if len(first) == 0 {
		return nil
	}
	if err := declarePhoto(c); err != nil {
		return err
	}
	if c.Record.Fields["declaredFirst"] == nil {
		for _, name := range declaration {
			first[name] = old.Fields[name]
		}
		first["until"] = Quote(stamp(c.Now))
		c.Record.Fields["declaredFirst"] = Quote(first)
	}
	return renamePhoto(c, old.Text("sha256"), c.Record.Text("sha256"))
}

// renamePhoto puts another hash into the list of the report, unless another photo of it has the old one.
func renamePhoto(c *Case, before, after string) error {
	report, err := ReportOf(c.Look, c.Record)
	if before == after || err != nil || report == nil {
		return err
	}
	photos, err := PartsOf(c.Look, KindPhoto, report)
	if err != nil {
		return err
	}
	for _, p := range photos {
		if p.ID != c.Record.ID && p.Text("sha256") == before {
			return nil
		}
	}
	declared := report.Texts("photos")
	if i := slices.Index(declared, before); i >= 0 {
		declared[i] = after
		c.Effect(Effect{ID: report.ID, Kind: KindReport, Scope: report.Scope, Set: map[string]Value{"photos": Quote(declared)}})
	}
	return nil
}

// agrees refuses the receipt of other bytes than the photo is declared with: the declaration was corrected meanwhile.
func agrees(photo *Record, receipt Value) error {
	var r struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	}
	if err := json.Unmarshal(receipt, &r); err != nil {
		return Refuse(CodeWrongType, "receipt is none.").InChinese("receipt 不是回执。").Because(err)
	}
	if r.SHA256 != photo.Text("sha256") || r.Size != 0 && r.Size != photo.Int("size") {
		return Refuse(CodeHashMismatch, "The photo is declared with other bytes now.").InChinese("该照片现在声明的是另一份文件内容。").About(string(photo.ID))
	}
	return nil
}

// PhotoIsStored reports whether the original has arrived, equal to what was declared.
func PhotoIsStored(p *Record) bool {
	switch p.State {
	case PhotoStored, PhotoVerified, PhotoAnalysed, PhotoLinked:
		return true
	}
	return false
}

// PhotoIsExamined reports whether the server has looked at a stored photo: read what its file says, and compared its
// picture.
func PhotoIsExamined(p *Record) bool {
	return PhotoIsStored(p) && p.Fields["facts"] != nil && p.Fields["comparing"] == nil
}

var photoSpec = &Spec{
	Kind: KindPhoto, ZH: "照片", EN: "photo", Opens: OpensNone, Filed: FiledPicture, Shown: ShownLatest, Home: ScopeSite,
	Whose: byAuthor, EditOwn: true, Part: "reportId", Bytes: "store",
	Initial: PhotoDeclared,
	States: []Choice{
		{Code: "declared", ZH: "已声明", EN: "declared"},
		{Code: "uploading", ZH: "上传中", EN: "uploading"},
		{Code: "stored", ZH: "已存储", EN: "stored"},
		{Code: "verified", ZH: "已核对", EN: "verified"},
		{Code: "analysed", ZH: "已分析", EN: "analysed"},
		{Code: "linked", ZH: "已关联", EN: "linked"},
		{Code: "rejected", ZH: "被拒绝", EN: "rejected"},
		{Code: "voided", ZH: "已作废", EN: "voided"},
	},
	Editable: []State{PhotoDeclared, PhotoStored, PhotoAnalysed},
	Edited:   redeclarePhoto,
	Made: func(c *Case) error {
		if err := declarePhoto(c); err != nil {
			return err
		}
		return partAdded(c)
	},
	Fields: []Field{
		{Name: "reportId", Type: ID, Of: KindReport, Required: true, Once: true, Key: true, ZH: "报告", EN: "report"},
		{Name: "siteId", Type: ID, Of: KindSite, Required: true, Once: true, ZH: "项目点", EN: "site"},
		{Name: "sha256", Type: Hash, Required: true, Once: true, Mends: PhotoDeclared, Author: true, Key: true, ZH: "SHA-256 哈希", EN: "SHA-256"},
		{Name: "size", Type: Integer, Low: 1, High: RecordingMax, Required: true, Once: true, Mends: PhotoDeclared, Author: true, ZH: "大小（字节）", EN: "size in bytes"},
		{Name: "type", Type: Enum, Required: true, Once: true, Mends: PhotoDeclared, Author: true, ZH: "类型", EN: "media type", Choices: photoChoices(), Also: photoNames},
		{Name: "item", Type: Text, Max: 64, Key: true, ZH: "事项", EN: "checklist item"},
		{Name: "caption", Type: Text, Max: 500, ZH: "说明", EN: "caption"},
		{Name: "takenAt", Type: Time, Once: true, ZH: "拍摄时间", EN: "taken at"},
		{Name: "position", Type: Position, Once: true, ZH: "位置", EN: "position"},
		{Name: "capture", Type: Enum, Choices: captures, Once: true, ZH: "来源", EN: "taken in the app or picked"},
		{Name: "photoPoint", Type: Text, Max: 64, Key: true, ZH: "拍照点", EN: "photo point"},
		{Name: "clockSkewMs", Type: Integer, Low: -1e15, High: 1e15, Once: true, ZH: "设备时钟偏差（毫秒）", EN: "device clock skew in ms"},

		afterSubmission,
		{Name: "receipt", Type: Object, Server: true, ZH: "回执", EN: "signed receipt", Fields: receiptFields},
		{Name: "interruptions", Type: Integer, Low: 0, High: 1e9, Server: true, ZH: "中断次数", EN: "interruptions of the upload"},
		{Name: "breaks", Type: Object, List: true, Items: 200, Server: true, ZH: "前 200 次中断", EN: "the first 200 interruptions", Fields: breakFields},
		{Name: "sentBy", Type: ID, Of: KindPerson, Server: true, ZH: "上传人", EN: "who began the upload"},
		{Name: "sentFrom", Type: Text, Max: 80, Server: true, ZH: "上传设备", EN: "from which device"},
		{Name: "already", Type: Bool, Server: true, ZH: "文件此前已有", EN: "the same bytes were here already, and no more were taken"},
		{Name: "declaredFirst", Type: Object, Server: true, ZH: "首次声明", EN: "what was declared before it was corrected", Fields: []Field{
			{Name: "sha256", Type: Hash, Required: true, ZH: "SHA-256 校验值", EN: "SHA-256"},
			{Name: "size", Type: Integer, Required: true, ZH: "大小（字节）", EN: "size in bytes"},
			{Name: "type", Type: Text, Required: true, ZH: "类型", EN: "type"},
			{Name: "until", Type: Time, Required: true, ZH: "截止", EN: "until"},
		}},
		{Name: "facts", Type: JSON, Server: true, ZH: "图像信息", EN: "facts read from the bytes"},
		{Name: "comparing", Type: Bool, Server: true, ZH: "比对中", EN: "its picture is still to be compared with others"},
		{Name: "small", Type: Hash, Server: true, ZH: "缩略图（320 px）", EN: "rendition of 320 px"},
		{Name: "large", Type: Hash, Server: true, ZH: "大图（1600 px）", EN: "rendition of 1600 px"},
		{Name: "perceptual", Type: Text, Max: 100, Server: true, Key: true, ZH: "感知哈希", EN: "perceptual hash with its version"},
		{Name: "analysisNote", Type: Text, Max: 500, Server: true, ZH: "分析说明", EN: "what the analysis could not do"},
		{Name: "discreditedAt", Type: Time, Server: true, ZH: "认定不可采信时间", EN: "when it was discredited"},
		{Name: "discreditedBy", Type: ID, Of: KindPerson, Server: true, ZH: "认定人", EN: "who discredited it"},
		{Name: "discreditReason", Type: Text, Max: 1000, Server: true, ZH: "不可采信理由", EN: "why it was discredited"},
		clockField, correctionsField, voidReason,
	},
	Commands: []Command{
		{
			Name: "store", ZH: "入库", EN: "store", Server: true, From: []State{PhotoDeclared},
			Args: []Field{
				{Name: "receipt", Type: Object, Required: true, ZH: "回执", EN: "receipt", Fields: receiptFields},
				{Name: "interruptions", Type: Integer, Low: 0, High: 1e9, ZH: "中断次数", EN: "how often it was interrupted"},
				{Name: "breaks", Type: Object, List: true, Items: 200, ZH: "中断", EN: "interruptions", Fields: breakFields},
				{Name: "sentBy", Type: ID, Of: KindPerson, ZH: "上传人", EN: "uploaded by"},
				{Name: "sentFrom", Type: Text, Max: 80, ZH: "上传设备", EN: "uploaded from"},
				{Name: "already", Type: Bool, ZH: "文件此前已有", EN: "the bytes were here already"},
			},
			To: PhotoStored,
			Do: func(c *Case) error {
				if err := agrees(c.Record, c.Args["receipt"]); err != nil {
					return err
				}
				arrived(c)
				return photoArrived(c)
			},
		},
		{
			Name: "analyse", ZH: "分析", EN: "analyse", Server: true, From: []State{PhotoStored, PhotoLinked},
			Args: []Field{
				{Name: "facts", Type: JSON, ZH: "文件信息", EN: "facts of the file"},
				{Name: "small", Type: Hash, ZH: "小图", EN: "small rendition"},
				{Name: "large", Type: Hash, ZH: "大图", EN: "large rendition"},
				{Name: "perceptual", Type: Text, Max: 100, ZH: "感知哈希", EN: "perceptual hash"},
				{Name: "note", Type: Text, Max: 500, ZH: "备注", EN: "note"},
				{Name: "comparing", Type: Bool, ZH: "正在比对", EN: "being compared"},
			},
			Do: func(c *Case) error {
				for _, name := range []string{"facts", "small", "large", "perceptual", "comparing"} {
					if v, ok := c.Args[name]; ok {
						c.Record.Fields[name] = v
					}
				}
				if v, ok := c.Args["note"]; ok {
					c.Record.Fields["analysisNote"] = v
				}
				if c.Record.State == PhotoStored {
					c.Record.State = PhotoAnalysed
				}
				return nil
			},
		},
		{
			Name: "compared", ZH: "比对完毕", EN: "compared with other photos", Server: true,
			From: []State{PhotoStored, PhotoVerified, PhotoAnalysed, PhotoLinked}, Do: func(c *Case) error {
				c.Set("comparing", nil)
				return nil
			},
		},
		{
			Name: "discredit", ZH: "认定不可采信", EN: "discredit", From: []State{PhotoStored, PhotoVerified, PhotoAnalysed, PhotoLinked},
			Args: []Field{reason}, Do: discreditPhoto,
		},
		correctTimes(PhotoDeclared, PhotoStored, PhotoVerified, PhotoAnalysed, PhotoLinked),
		partVoid(PhotoDeclared, PhotoStored, PhotoVerified, PhotoAnalysed),
	},
	Desk: photoDesk,
}

// photoDesk is what the desk offers of it.
var photoDesk = &Desk{
	Group: "photos",
	Acts: []Act{
		{
			Verb: "get", Says: "One photo record.",
			More: "The record: what was declared, the receipt, and what the examination found; the picture is at " +
				"/small, /large and /original. `not_found` when there is none, or none that you may see.",
		},
		{
			Verb: "correct", Says: "Put the right times beside those that a photo states.", Body: "CorrectTimes",
			More: "What the clock of a phone said stays as it was stated; `corrections` has both values, who corrected, " +
				"when and why. Refused with reviewer_is_author to those who were on the visit, with bad_choice for " +
				"a time that is not stated, with bad_time for one that is still to come.",
			Example: "times: [{of: takenAt, to: '2026-11-23T09:20:00+08:00'}], reason: 手机时钟慢了一天",
		},
		{Verb: "void", Says: "Take a photo out of view.", More: "Its bytes stay.", Example: "reason: 误拍"},
		{
			Verb: "discredit", Says: "Say that a photo no longer proves anything.",
			More: "It stays to be seen, marked, and so do the evidence links that lead to it. In the same commit a " +
				"review item is opened on its report, on each finding that names it, on each revisit that was " +
				"answered with its report, and on each clue that it or such a finding is linked to, wherever these " +
				"live. Refused with reviewer_is_author to those who took it or were on the visit.",
			Example: "reason: 照片并非在该项目点拍摄",
		},
	},
}

// breakFields are those of one interruption of an upload: the bytes that were kept, the server's clock, and a code.
var breakFields = []Field{
	{Name: "offset", Type: Integer, Required: true, ZH: "断点（字节）", EN: "at which byte"},
	{Name: "at", Type: Time, Required: true, ZH: "时间", EN: "time"},
	{Name: "code", Type: Text, Max: 60, ZH: "代码", EN: "code"},
}

// ArrivalFields say how the bytes of a photo came. An entry of an older server has the first two.
var ArrivalFields = []string{"receipt", "interruptions", "breaks", "sentBy", "sentFrom", "already"}

func arrived(c *Case) {
	for _, name := range ArrivalFields {
		if v, ok := c.Args[name]; ok {
			c.Record.Fields[name] = v
		}
	}
}

var receiptFields = []Field{
	{Name: "v", Type: Integer, ZH: "格式版本", EN: "version of the form"},
	{Name: "number", Type: Text, ZH: "编号", EN: "number"},
	{Name: "sha256", Type: Hash, Required: true, ZH: "SHA-256 校验值", EN: "SHA-256"},
	{Name: "size", Type: Integer, ZH: "大小（字节）", EN: "size in bytes"},
	{Name: "type", Type: Text, ZH: "类型", EN: "type"},
	{Name: "photoId", Type: Text, ZH: "照片", EN: "photo"},
	{Name: "receivedAt", Type: Time, ZH: "收到时间", EN: "received at"},
	{Name: "keepUntil", Type: Time, Ahead: true, ZH: "手机保留至", EN: "the phone keeps it until"},
	{Name: "keyId", Type: Text, ZH: "签名密钥", EN: "signing key"},
	{Name: "signature", Type: Text, Max: 400, ZH: "签名", EN: "signature"},
}

// FlagRaised and FlagDecided are the states of a flag.
const (
	FlagRaised  State = "raised"
	FlagDecided State = "decided"
)

// SeverityRank orders severities: 0 info, 1 review, 2 high, 3 blocking.
func SeverityRank(severity string) int64 {
	for i, s := range severities {
		if s.Code == severity {
			return int64(i)
		}
	}
	return 0
}

var flagSpec = &Spec{
	Kind: KindFlag, ZH: "标记", EN: "flag", Home: ScopeSite, Opens: OpensNone, Filed: FiledFlag, Shown: ShownNone, ServerOK: true,
	Initial: FlagRaised, States: []Choice{{Code: "raised", ZH: "待处理", EN: "raised"}, {Code: "decided", ZH: "已处理", EN: "decided"}, {Code: "closed", ZH: "关闭", EN: "closed"}},
	Fields: []Field{
		{Name: "code", Type: Text, Max: 60, Required: true, Server: true, Key: true, ZH: "规则", EN: "code"},
		{Name: "rule", Type: Text, Max: 60, Server: true, ZH: "规则版本", EN: "rule version"},
		{Name: "severity", Type: Enum, Choices: severities, Required: true, Server: true, ZH: "等级", EN: "severity"},
		{Name: "reportId", Type: ID, Of: KindReport, Evidence: OnlyNamed, Server: true, Key: true, ZH: "报告", EN: "report"},
		{Name: "targetId", Type: Text, Max: 80, Server: true, Key: true, ZH: "对象", EN: "about"},
		{Name: "inputs", Type: JSON, Server: true, ZH: "依据", EN: "inputs"},
		{Name: "zh", Type: Text, Max: 1000, Server: true, ZH: "说明", EN: "sentence in Chinese"},
		{Name: "en", Type: Text, Max: 1000, Server: true, ZH: "英文说明", EN: "sentence in English"},
		{Name: "decision", Type: Enum, Choices: decisions, Server: true, ZH: "结论", EN: "decision"},
		{Name: "reason", Type: Text, Max: 1000, Server: true, ZH: "理由", EN: "reason"},
		{Name: "decidedBy", Type: ID, Of: KindPerson, Server: true, ZH: "处理人", EN: "decided by"},
	},
	Made: flagRaised,
	Trace: &Trace{Key: "targetId", ID: "flagId", Steps: []Step{
		{Code: StepFlagRaised, Set: []string{"code"}, Shows: []string{"code", "rule", "severity", "inputs"}, Words: true},
		{Code: StepFlagDecided, Set: []string{"decision", "reason"}, Shows: []string{"decision", "reason"}, Now: []string{"code"}},
	}},
	Commands: []Command{{
		Name: "decide", ZH: "处理", EN: "decide", From: []State{FlagRaised}, To: FlagDecided,
		Args: []Field{{Name: "decision", Type: Enum, Choices: decisions, Required: true, ZH: "处置", EN: "decision"}, reason},
		Do: func(c *Case) error {
			report, err := ReportOf(c.Look, c.Record)
			if err != nil {
				return err
			}
			if report != nil && slices.Contains(Involved(report), c.Who.User) {
				return Refuse(CodeReviewerIsAuthor, "")
			}
			c.Set("decision", c.Arg("decision"))
			c.Set("reason", c.Arg("reason"))
			c.Set("decidedBy", c.Who.User)
			return worstOf(c, 0, nil)
		},
	}},
	Rank: func(r *Record) string {
		return fmt.Sprintf("%d%s", 9-SeverityRank(r.Text("severity")), RankTime(r.CreatedAt))
	},
	Desk: flagDesk,
}

// flagDesk is what the desk offers of it.
var flagDesk = &Desk{
	Group: "review",
	Filters: []Filter{
		{Name: "state"},
		{Name: "code", Says: "Raised by this rule."},
		{Name: "reportId", Says: "About this report."},
	},
	Acts: []Act{
		{Verb: "list", More: "The most severe first."},
		{
			Verb: "decide", Says: "Say what a flag came to.",
			More: "For supervisors: confirmed, explained or a false alarm, with a reason. `reviewer_is_author` for who " +
				"was on the visit; `state_not_allowed` when it is decided already.",
			Example: "decision: explained, reason: 手机时钟未校准，与当日行程相符",
		},
	},
}

// flagRaised puts a report that was approved back under review when something was found in it since that would have
// kept it from being approved, or would have had to be named. The person who approved it is told, and so are its
// authors.
func flagRaised(c *Case) error {
	report, err := ReportOf(c.Look, c.Record)
	if err != nil || report == nil {
		return err
	}
	rank := SeverityRank(c.Record.Text("severity"))
	if report.State != ReportApproved && report.State != ReportArchived || rank < SeverityRank("review") {
		return worstOf(c, rank, nil)
	}
	if rank < SeverityRank("high") {
		c.tellReviewer(report, Notice{Type: "info", ZH: "您通过的报告出现新的标记，请查看。", EN: "A flag was raised on a report that you have approved. Look at it."})
		return worstOf(c, rank, nil)
	}
	why := fmt.Sprintf("通过后出现新的标记 / a flag was raised after the approval: %s", c.Record.Text("code"))
	c.tellReviewer(report, Notice{Type: "reopened", ZH: "您通过的报告因新的标记重新进入审核。", EN: "A report that you have approved is under review again, because of a new flag."})
	for _, a := range Authors(report) {
		c.NotifyAbout(a, report, Notice{Type: "reopened", ZH: "您的报告因新的标记重新进入审核。", EN: "A report of yours is under review again, because of a new flag."})
	}
	if err := underReviewAgain(c, report); err != nil {
		return err
	}
	return worstOf(c, rank, &Effect{State: ReportUnderReview, Set: map[string]Value{
		"reopened": Quote(report.Int("reopened") + 1), "reopenedBy": Quote(why),
	}})
}

// worstOf keeps the severity of a flag's report at that of its worst undecided flag, so that the queue can be ordered
// by it: of the case's flag, which counts for rank, and of the others. besides is what else becomes of the report; nil:
// nothing.
func worstOf(c *Case, rank int64, besides *Effect) error {
	report, err := ReportOf(c.Look, c.Record)
	if err != nil || report == nil {
		return err
	}
	flags, err := PartsOf(c.Look, KindFlag, report)
	if err != nil {
		return err
	}
	for _, f := range flags {
		if f.State == FlagRaised && f.ID != c.Record.ID {
			rank = max(rank, SeverityRank(f.Text("severity")))
		}
	}
	if besides == nil {
		besides = &Effect{Set: map[string]Value{}}
	}
	if report.Int("severity") != rank {
		besides.Set["severity"] = Quote(rank)
	}
	if besides.State != "" || len(besides.Set) > 0 {
		besides.ID, besides.Kind, besides.Scope = report.ID, KindReport, report.Scope
		c.Effect(*besides)
	}
	return nil
}

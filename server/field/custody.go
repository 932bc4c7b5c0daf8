package field

// The steps in the chain of hands of a photo, as its custody page names them.
const (
	StepCaptured      = "captured"
	StepHashed        = "hashed"
	StepKept          = "kept"
	StepDeclared      = "declared"
	StepRedeclared    = "redeclared"
	StepAccepted      = "accepted"
	StepInterrupted   = "interrupted"
	StepReceived      = "received"
	StepFound         = "found"
	StepReceipt       = "receipt"
	StepExamined      = "examined"
	StepFlagRaised    = "flag_raised"
	StepFlagDecided   = "flag_decided"
	StepEdited        = "edited"
	StepViewed        = "viewed"
	StepViewedList    = "viewed_list"
	StepEvidence      = "evidence"
	StepUnnamed       = "evidence_removed"
	StepLinked        = "linked"
	StepLinkConfirmed = "link_confirmed"
	StepLinkWithdrawn = "link_withdrawn"
	StepHoldSet       = "hold_set"
	StepHoldReleased  = "hold_released"
	StepExported      = "exported"
	StepDiscredited   = "discredited"
	StepVoided        = "voided"
)

// CustodySteps lists them in the order in which they mostly come, with a sentence each.
var CustodySteps = []Choice{
	{Code: StepCaptured, ZH: "拍摄；时间和位置由采集应用报告。", EN: "Taken; the time and the place are those that the app states."},
	{Code: StepHashed, ZH: "手机计算出原始文件的哈希（SHA-256）。", EN: "The phone computed the SHA-256 of the original file."},
	{Code: StepKept, ZH: "声明起初被拒绝（原因见代码），留存待查。", EN: "The declaration was refused at first, for what the code says, and kept for review."},
	{Code: StepDeclared, ZH: "照片已向服务器声明。", EN: "The photo was declared to the server."},
	{Code: StepRedeclared, ZH: "文件到达之前，声明被更正。", EN: "The declaration was corrected before the file had come."},
	{Code: StepAccepted, ZH: "留存的声明已被采纳。", EN: "The declaration that was kept was accepted."},
	{Code: StepInterrupted, ZH: "上传中断，已收到的部分保留。", EN: "The upload broke; what had arrived was kept."},
	{Code: StepReceived, ZH: "文件全部收到，哈希与声明一致。", EN: "All bytes have arrived, with the hash that was declared."},
	{Code: StepFound, ZH: "服务器上已有相同的文件，未再接收；哈希与声明一致。", EN: "The same bytes were here already, with the hash that was declared; no more were taken."},
	{Code: StepReceipt, ZH: "服务器签发了回执。", EN: "The server signed a receipt."},
	{Code: StepExamined, ZH: "服务器检查了文件。", EN: "The server examined the file."},
	{Code: StepFlagRaised, ZH: "规则提出标记。", EN: "A rule raised a flag."},
	{Code: StepFlagDecided, ZH: "标记已处理。", EN: "The flag was decided."},
	{Code: StepEdited, ZH: "说明信息被修改；文件未变。", EN: "What is said about it was edited; the file is the same."},
	{Code: StepViewed, ZH: "有人查看。", EN: "Somebody looked at it."},
	{Code: StepViewedList, ZH: "这一刻钟内有人查看了所属报告的缩略图，可能包括本照片。", EN: "Small pictures of its report were shown in this quarter of an hour; it may have been among them."},
	evidenceStep(StepEvidence, "发现问题", "finding"),
	evidenceStep(StepUnnamed, "发现问题", "finding"),
	{Code: StepLinked, ZH: "关联到问题线索。", EN: "It was linked to a clue."},
	{Code: StepLinkConfirmed, ZH: "与线索的关联已确认。", EN: "The link to the clue was confirmed."},
	{Code: StepLinkWithdrawn, ZH: "与线索的关联已撤回。", EN: "The link to the clue was withdrawn."},
	{Code: StepHoldSet, ZH: "原件已设为法律保全。", EN: "The original was put under legal hold."},
	{Code: StepHoldReleased, ZH: "原件的法律保全已解除。", EN: "The legal hold of the original was released."},
	{Code: StepExported, ZH: "原件随案卷导出。", EN: "The original left with the file of a case."},
	{Code: StepDiscredited, ZH: "被认定为不可采信。", EN: "It was discredited."},
	{Code: StepVoided, ZH: "照片已作废；文件仍保留。", EN: "It was voided; the bytes stay."},
}

// EvidenceStep is the step in which a record of a kind names the photo as evidence, or no longer does.
func EvidenceStep(code string, of *Spec) Choice { return evidenceStep(code, of.ZH, of.EN) }

func evidenceStep(code, zh, en string) Choice {
	if code == StepEvidence {
		return Choice{Code: code, ZH: "被列为" + zh + "的证据。", EN: "A " + en + " names it as evidence."}
	}
	return Choice{Code: code, ZH: "不再被列为" + zh + "的证据。", EN: "A " + en + " no longer names it as evidence."}
}

package field

import "slices"

// FlagCodes are the codes of all flags that rules raise, in the order of the rules, with what each says in short.
var FlagCodes = []Choice{
	{Code: "photo_same", ZH: "同一文件已用于别处", EN: "the same file stands elsewhere"},
	{Code: "photo_alike", ZH: "与另一张照片相似", EN: "it looks like another photo"},
	{Code: "photo_unexamined", ZH: "照片未能检查", EN: "it could not be examined"},
	{Code: "photo_picked", ZH: "来自相册", EN: "it was picked from the gallery"},
	{Code: "photo_position_unread", ZH: "位置无法读取", EN: "its position cannot be read"},
	{Code: "photo_no_position", ZH: "没有位置", EN: "it has no position"},
	{Code: "photo_mock_position", ZH: "模拟位置", EN: "its position is made up"},
	{Code: "photo_position_vague", ZH: "位置不精确", EN: "its position is vague"},
	{Code: "photo_datum_unknown", ZH: "大地基准未知", EN: "its datum is unknown"},
	{Code: "photo_coordinate_system", ZH: "坐标系不一致", EN: "another coordinate system fits"},
	{Code: "photo_far", ZH: "远离项目点", EN: "it was taken far from the site"},
	{Code: "photo_time_outside", ZH: "拍摄时间在检查之外", EN: "it was taken outside the visit"},
	{Code: "photo_time_gps", ZH: "相机时间与卫星时间不一致", EN: "camera and satellites disagree about the time"},
	{Code: "photo_gps_rollover", ZH: "卫星时间缺少周数", EN: "the satellites' time lacks weeks"},
	{Code: "photo_clock_skew", ZH: "手机时钟不准", EN: "the phone's clock was wrong"},
	{Code: "alias_like_name", ZH: "化名像真名", EN: "the alias is like a name"},
}

// codeChoices are the codes of refusals with their sentences.
func codeChoices() (all []Choice) {
	for _, c := range slices.Sorted(slices.Values(Codes())) {
		all = append(all, Choice{Code: string(c), ZH: c.SentenceZH(), EN: c.Sentence()})
	}
	return all
}

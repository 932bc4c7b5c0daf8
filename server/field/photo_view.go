package field

import "time"

// ViewWindow is how finely looking at a photo is noted: once in a quarter of an hour for each person, device and
// rendition.
const ViewWindow = 15 * time.Minute

// ViewSeen is the only state of a view.
const ViewSeen State = "seen"

// viewSpec says that the bytes of a photo went to somebody: the original, or a rendition. Small ones are noted by the
// report whose photos they are, because a list shows many of them. It is written before the first byte leaves. Its keys
// have names of their own: there are many views, and a list of what belongs to a report shall not wade through them.
var viewSpec = &Spec{
	Kind: KindView, ZH: "查看记录", EN: "view of a photo", Home: ScopeCustody, Opens: OpensNone, Filed: FiledNone, ServerOK: true,
	Initial: ViewSeen, States: []Choice{{Code: "seen", ZH: "已查看", EN: "seen"}},
	Fields: []Field{
		{Name: "photo", Type: ID, Of: KindPhoto, Evidence: OnlyNamed, Server: true, Key: true, ZH: "照片；空缺：报告的缩略图", EN: "photo; missing: small pictures of the report"},
		{Name: "report", Type: ID, Of: KindReport, Evidence: OnlyNamed, Server: true, Key: true, ZH: "报告", EN: "report whose small pictures were shown"},
		{Name: "what", Type: Enum, Choices: viewParts, Required: true, Server: true, ZH: "查看内容", EN: "what was shown"},
		{Name: "by", Type: ID, Of: KindPerson, Required: true, Server: true, ZH: "查看人", EN: "who looked"},
		{Name: "device", Type: Text, Max: 80, Server: true, ZH: "设备", EN: "on which device"},
		{Name: "mandate", Type: ID, Of: KindMandate, Server: true, ZH: "委托", EN: "the mandate under which it was seen"},
		{Name: "since", Type: Time, Required: true, Server: true, ZH: "时段起点", EN: "start of the quarter of an hour in which it was"},
	},
	Use:  UseView,
	Made: viewScope,
	Rank: func(r *Record) string { return RankNewest(r.CreatedAt) },
}

// viewScope opens the scope to those of the organisation who may know who looked, within the region and project of the
// site.
func viewScope(c *Case) error {
	id, org, ok := c.Record.Scope.custody()
	if !ok {
		return Refuse(CodeWrongScope, "A view lives beside a site and an organisation.").InChinese("查看记录应存于项目点或组织旁的查看范围中。")
	}
	info := ScopeInfo{Orgs: []OrgID{org}}
	site, err := c.Look.Get(RecordID(id))
	if err != nil {
		return err
	}
	if site != nil && site.Kind == KindSite {
		at := SiteInfo(site, "")
		info.Region, info.Project = at.Region, at.Project
	}
	c.Effect(Effect{Scope: c.Record.Scope, Info: &info})
	return nil
}

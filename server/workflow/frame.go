package workflow

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
)

// The strata of a campaign, as field names them.
const (
	stratumProblems    = "problems"
	stratumUnsampled   = "unsampled"
	stratumPetitioners = "petitioners"
)

// The sizes of a frame.
const (
	mostUnits   = 20_000 // what a campaign record takes
	mostPerUnit = 100    // findings, and photos, of one unit
)

// frame puts together what a campaign may visit, from the active sites that the actor sees and in which the campaign's
// organisation takes part: in the strata that the campaign names,
//
//   - problems: sites where a problem was fed back, that is a finding classified as anything but dismissed, of a visit
//     before the campaign begins;
//   - unsampled: sites that no visit has ever reached; a desk review never counts as a visit. A site that is in the stratum of
//     problems already is not in this one too, so nobody is drawn twice;
//   - petitioners: households that petitioned, by alias.
func (f *Flow) frame(ctx context.Context, who *access.Actor, campaign *field.Record) ([]field.Unit, error) {
	var strata []field.Stratum
	if err := campaign.Decode("strata", &strata); err != nil {
		return nil, field.Refuse(field.CodeWrongType, "The strata cannot be read.").InChinese("各层无法读取。").Because(err)
	}
	wanted := map[string]bool{}
	for _, s := range strata {
		wanted[s.Stratum] = true
	}
	begins, err := time.ParseInLocation(time.DateOnly, campaign.Text("from"), field.Beijing)
	if err != nil {
		return nil, field.Refuse(field.CodeBadTime, "The campaign needs a day on which it begins.").InChinese("回头看须有开始日期。").Because(err)
	}
	sites, whole, err := f.all(ctx, who, store.Query{Kinds: []field.Kind{field.KindSite}, States: []field.State{field.StateActive}}, mostUnits)
	if err != nil {
		return nil, err
	}
	if !whole {
		return nil, field.Refuse(field.CodeTooLong, "There are over %d sites; narrow the campaign.", mostUnits).
			InChinese("项目点超过 %d 个，请缩小回头看的范围。", mostUnits)
	}
	var frame []field.Unit
	for _, site := range sites {
		info := field.SiteInfo(site, field.OrgID(site.Scope.ID()))
		scope := field.MakeScope(field.ScopeSite, string(site.ID))
		if access.May(who, "revisit.assign", scope, info) != nil {
			continue // also a joint site of another organisation whose mandate does not speak of revisits
		}
		units, err := f.unitsOf(ctx, who, site, scope, wanted, begins)
		if err != nil {
			return nil, fmt.Errorf("frame of campaign %s: %w", campaign.ID, err)
		}
		frame = append(frame, units...)
	}
	if len(frame) > mostUnits {
		return nil, field.Refuse(field.CodeTooLong, "The frame has over %d units; narrow the campaign.", mostUnits).
			InChinese("抽样框的单元超过 %d 个，请缩小回头看的范围。", mostUnits)
	}
	return frame, nil
}

func (f *Flow) unitsOf(ctx context.Context, who *access.Actor, site *field.Record, scope field.Scope, wanted map[string]bool, begins time.Time) ([]field.Unit, error) {
	var units []field.Unit
	id := field.SiteID(site.ID)
	if wanted[stratumProblems] {
		unit, err := f.problemsAt(ctx, who, scope, begins)
		if err != nil {
			return nil, err
		}
		if len(unit.Findings) > 0 {
			unit.SiteID = id
			units = append(units, unit)
		}
	}
	if wanted[stratumUnsampled] && len(units) == 0 {
		reached, err := f.visited(ctx, who, scope)
		if err != nil {
			return nil, err
		}
		if !reached {
			units = append(units, field.Unit{Stratum: stratumUnsampled, SiteID: id})
		}
	}
	if wanted[stratumPetitioners] {
		households, whole, err := f.all(ctx, who, store.Query{Scope: scope, Kinds: []field.Kind{field.KindHousehold}}, mostUnits)
		if err != nil {
			return nil, err
		}
		if !whole {
			return nil, field.Refuse(field.CodeTooLong, "There are over %d households at one site.", mostUnits).
				InChinese("一个项目点的走访户超过 %d 户。", mostUnits)
		}
		for _, h := range households {
			u := field.Unit{Stratum: stratumPetitioners, SiteID: id, Alias: h.Text("alias")}
			if string(h.Fields["petitioned"]) == "true" && !slices.ContainsFunc(units, func(x field.Unit) bool { return x.Stratum == u.Stratum && x.Alias == u.Alias }) {
				units = append(units, u)
			}
		}
	}
	return units, nil
}

// problemsAt is the unit of a site's problems; without findings there are none.
func (f *Flow) problemsAt(ctx context.Context, who *access.Actor, site field.Scope, begins time.Time) (field.Unit, error) {
	unit := field.Unit{Stratum: stratumProblems}
	findings, err := f.every(ctx, who, store.Query{Scope: site, Kinds: []field.Kind{field.KindFinding}})
	if err != nil {
		return unit, err
	}
	var refer []field.RecordID
	for _, x := range findings {
		refer = append(refer, field.RecordID(x.Text("reportId")))
		for _, e := range x.Texts("evidence") {
			refer = append(refer, field.RecordID(e))
		}
	}
	known, err := f.readMany(ctx, who, distinct(refer))
	if err != nil {
		return unit, err
	}
	for _, x := range findings {
		at := x.CreatedAt
		if r := known[field.RecordID(x.Text("reportId"))]; r != nil && r.Scope == site {
			at = startOf(r)
		}
		if class := x.Text("class"); class == "" || class == "dismissed" || !at.Before(begins) || len(unit.Findings) == mostPerUnit {
			continue
		}
		unit.Findings = append(unit.Findings, x.ID)
		for _, e := range x.Texts("evidence") {
			p := known[field.RecordID(e)]
			if p != nil && p.Scope == site && p.Kind == field.KindPhoto && !p.Deleted && len(unit.Photos) < mostPerUnit && !slices.Contains(unit.Photos, p.ID) {
				unit.Photos = append(unit.Photos, p.ID)
			}
		}
	}
	return unit, nil
}

// visited reports whether any visit has reached a site.
func (f *Flow) visited(ctx context.Context, who *access.Actor, site field.Scope) (bool, error) {
	visits, err := f.visits(ctx, who, site)
	return len(visits) > 0, err
}

package workflow

import (
	"context"
	"slices"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// SiteView is a site with what lives there, as far as the reader may see it: of each kind that says so, what its Shown
// says.
type SiteView struct {
	Site  protocol.PulledRecord `json:"site"`
	Shown []Shown               `json:"shown"` // in the order of the kinds; one of which there is nothing is left out
}

// Shown are records of one kind at a site.
type Shown struct {
	Kind  field.Kind              `json:"kind"`
	Items []protocol.PulledRecord `json:"items"`
	More  bool                    `json:"more,omitempty"` // there are others: the list of the kind has them
}

// mostShown is how many records of one kind the page of a site has.
const mostShown = 20

// SitePage gives a site with the latest of its visits, findings and photos, and with the tasks that are open there.
func (f *Flow) SitePage(ctx context.Context, who *access.Actor, id field.SiteID) (*SiteView, error) {
	site, err := f.read(ctx, who, "", field.RecordID(id))
	if err != nil {
		return nil, err
	}
	home := field.KindOf(site.Kind).Page
	if home == "" {
		return nil, field.Refuse(field.CodeNotFound, "")
	}
	page := &SiteView{Site: protocol.FromRecord(site), Shown: []Shown{}}
	for _, spec := range field.Kinds() {
		if spec.Home != home || spec.Shown == field.ShownNone {
			continue
		}
		q := store.Query{Visible: access.Visible(who), Scope: field.MakeScope(home, string(id)), Kinds: []field.Kind{spec.Kind}, Limit: wholePage}
		var found []*field.Record
		var more bool
		if spec.Shown == field.ShownOpen {
			q.States = spec.OpenStates()
			found, more, err = f.first(ctx, q)
		} else {
			found, more, err = f.latest(ctx, q)
		}
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			page.Shown = append(page.Shown, Shown{spec.Kind, wire(found), more})
		}
	}
	return page, nil
}

// first reads the first records of a list, in its order; more: there are others.
func (f *Flow) first(ctx context.Context, q store.Query) (found []*field.Record, more bool, err error) {
	found, whole, err := f.upTo(ctx, q, mostShown)
	return found, !whole, err
}

// latest reads the records that were made last, the newest first; more: there are others.
func (f *Flow) latest(ctx context.Context, q store.Query) (found []*field.Record, more bool, err error) {
	err = store.EachPage(ctx, f.store, q, func(records []*field.Record) error {
		found = append(found, records...)
		slices.SortStableFunc(found, func(a, b *field.Record) int { return b.CreatedAt.Compare(a.CreatedAt) })
		if len(found) > mostShown {
			found, more = slices.Clone(found[:mostShown]), true
		}
		return nil
	})
	return found, more, err
}

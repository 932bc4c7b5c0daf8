package workflow

import (
	"context"
	"slices"

	"fieldclue/server/access"
	"fieldclue/server/field"
	"fieldclue/server/store"
	"fieldclue/sync/protocol"
)

// Node is a record in a graph. Of one that the reader may not see only the id and the kind are told, which the link
// that leads to it says anyway.
type Node struct {
	ID      field.RecordID `json:"id"`
	Kind    field.Kind     `json:"kind"`
	Visible bool           `json:"visible"`
	Scope   field.Scope    `json:"scope,omitempty"`
	State   field.State    `json:"state,omitempty"`
	Label   string         `json:"label,omitempty"`
}

// Edge leads from one node to another. A link of evidence has its id; the others follow from the fields of records.
type Edge struct {
	From     field.RecordID `json:"from"`
	To       field.RecordID `json:"to"`
	Relation string         `json:"relation"` // supports, contradicts, identifies; evidence, report, finding, clue, merged
	LinkID   field.RecordID `json:"linkId,omitempty"`
	State    field.State    `json:"state,omitempty"` // of the link
	Why      string         `json:"why,omitempty"`
}

// Graph is a clue and what hangs together with it.
type Graph struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
	Cut   bool   `json:"cut"` // there is more than the graph shows
}

// mostLinks is how many links of a clue a graph shows.
const mostLinks = 500

// ClueGraph gives the clue, its links with their targets, the evidence of its findings, the reports that photos,
// interviews and findings belong to, and the other clues that the reader sees and that rest on the same targets.
func (f *Flow) ClueGraph(ctx context.Context, who *access.Actor, id field.ClueID) (*Graph, error) {
	clue, err := f.read(ctx, who, field.KindClue, field.RecordID(id))
	if err != nil {
		return nil, err
	}
	links, whole, err := f.all(ctx, who, store.Query{Scope: clue.Scope, Kinds: []field.Kind{field.KindLink}}, mostLinks)
	if err != nil {
		return nil, err
	}
	g := &grapher{flow: f, who: who, nodes: map[field.RecordID]Node{}, cut: !whole}
	g.see(clue)
	var targets []field.RecordID
	for _, l := range links {
		target := field.RecordID(l.Text("targetId"))
		targets = append(targets, target)
		g.hint(target, field.Kind(l.Text("targetKind")))
		g.edges = append(g.edges, linkEdge(l))
	}
	if into := field.RecordID(clue.Text("mergedInto")); into != "" {
		targets = append(targets, into)
		g.hint(into, field.KindClue)
		g.edges = append(g.edges, Edge{From: clue.ID, To: into, Relation: "merged"})
	}
	if err := g.follow(ctx, distinct(targets)); err != nil {
		return nil, err
	}
	if err := g.otherClues(ctx, clue, distinct(targets)); err != nil {
		return nil, err
	}
	return g.graph(), nil
}

type grapher struct {
	flow  *Flow
	who   *access.Actor
	nodes map[field.RecordID]Node
	edges []Edge
	cut   bool
}

func linkEdge(l *field.Record) Edge {
	return Edge{
		From: field.RecordID(l.Text("clueId")), To: field.RecordID(l.Text("targetId")), Relation: l.Text("relation"),
		LinkID: l.ID, State: l.State, Why: l.Text("why"),
	}
}

func (g *grapher) see(r *field.Record) {
	g.nodes[r.ID] = Node{ID: r.ID, Kind: r.Kind, Visible: true, Scope: r.Scope, State: r.State, Label: label(r)}
}

func (g *grapher) hint(id field.RecordID, kind field.Kind) {
	if _, ok := g.nodes[id]; !ok {
		g.nodes[id] = Node{ID: id, Kind: kind}
	}
}

// follow loads the records and what they refer to.
func (g *grapher) follow(ctx context.Context, ids []field.RecordID) error {
	for range 3 { // finding -> photo -> report, and no further
		records, err := g.flow.readMany(ctx, g.who, ids)
		if err != nil {
			return err
		}
		var next []field.RecordID
		refer := func(from *field.Record, to field.RecordID, kind field.Kind, relation string) {
			if to == "" {
				return
			}
			e := Edge{From: from.ID, To: to, Relation: relation}
			if !slices.Contains(g.edges, e) {
				g.edges = append(g.edges, e)
			}
			if _, seen := g.nodes[to]; !seen {
				next = append(next, to)
			}
			g.hint(to, kind)
		}
		for _, id := range ids {
			r := records[id]
			if r == nil {
				continue
			}
			g.see(r)
			switch r.Kind {
			case field.KindFinding:
				refer(r, field.RecordID(r.Text("reportId")), field.KindReport, "report")
				for _, e := range r.Texts("evidence") {
					refer(r, field.RecordID(e), "", "evidence")
				}
			case field.KindPhoto, field.KindInterview:
				refer(r, field.RecordID(r.Text("reportId")), field.KindReport, "report")
			}
		}
		if ids = distinct(next); len(ids) == 0 {
			return nil
		}
	}
	return nil
}

// otherClues adds the clues that rest on the same evidence.
func (g *grapher) otherClues(ctx context.Context, clue *field.Record, targets []field.RecordID) error {
	var others []field.RecordID
	for _, t := range targets {
		links, whole, err := g.flow.all(ctx, g.who, store.Query{Kinds: []field.Kind{field.KindLink}, Keys: where{}.is("targetId", string(t))}, mostLinks)
		if err != nil {
			return err
		}
		g.cut = g.cut || !whole
		for _, l := range links {
			if l.Scope != clue.Scope && l.State != "withdrawn" {
				g.edges = append(g.edges, linkEdge(l))
				others = append(others, field.RecordID(l.Text("clueId")))
			}
		}
	}
	records, err := g.flow.readMany(ctx, g.who, distinct(others))
	if err != nil {
		return err
	}
	for _, r := range records {
		g.see(r)
	}
	return nil
}

func (g *grapher) graph() *Graph {
	out := &Graph{Nodes: make([]Node, 0, len(g.nodes)), Edges: g.edges, Cut: g.cut}
	for _, n := range g.nodes {
		out.Nodes = append(out.Nodes, n)
	}
	slices.SortFunc(out.Nodes, func(a, b Node) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	if out.Edges == nil {
		out.Edges = []Edge{}
	}
	return out
}

// Impact is what rests on a photo, as far as the reader may see it.
type Impact struct {
	Photo     protocol.PulledRecord   `json:"photo"`
	SameBytes []protocol.PulledRecord `json:"sameBytes"` // other photo records with the same SHA-256
	Findings  []protocol.PulledRecord `json:"findings"`  // that name it as evidence
	Links     []protocol.PulledRecord `json:"links"`     // to clues, not withdrawn
	Clues     []ClueImpact            `json:"clues"`
}

// ClueImpact says whether a clue would still stand without the photo.
type ClueImpact struct {
	ClueID      field.RecordID          `json:"clueId"`
	Clue        *protocol.PulledRecord  `json:"clue,omitempty"` // left out when the reader may not see it
	Independent bool                    `json:"independent"`    // something else supports it
	Supports    []protocol.PulledRecord `json:"supports"`       // the links that do not rest on the photo
}

// PhotoImpact gives what rests on a photo. A clue keeps an independent support when a link that supports it or
// identifies somebody, and is not withdrawn, leads to evidence that does not itself rest on these bytes: not the photo,
// not a photo with the same bytes, not the report that holds it, and not a finding that has no other evidence.
func (f *Flow) PhotoImpact(ctx context.Context, who *access.Actor, id field.PhotoID) (*Impact, error) {
	photo, err := f.read(ctx, who, field.KindPhoto, field.RecordID(id))
	if err != nil {
		return nil, err
	}
	same, _, err := f.all(ctx, who, store.Query{Kinds: []field.Kind{field.KindPhoto}, Keys: where{}.is("sha256", photo.Text("sha256"))}, mostLinks)
	if err != nil {
		return nil, err
	}
	same = slices.DeleteFunc(same, func(p *field.Record) bool { return p.ID == photo.ID })
	links, findings, err := f.resting(ctx, who, photo.ID)
	if err != nil {
		return nil, err
	}
	out := &Impact{Photo: protocol.FromRecord(photo), SameBytes: wire(same), Findings: wire(findings), Links: wire(links), Clues: []ClueImpact{}}
	var clues []field.RecordID
	for _, l := range links {
		clues = append(clues, field.RecordID(l.Text("clueId")))
	}
	for _, x := range findings {
		clues = append(clues, field.RecordID(x.Text("clueId")))
	}
	clues = distinct(clues)
	visible, err := f.readMany(ctx, who, clues)
	if err != nil {
		return nil, err
	}
	for _, clue := range clues {
		c := ClueImpact{ClueID: clue, Clue: wireOne(visible[clue]), Supports: []protocol.PulledRecord{}}
		if visible[clue] != nil {
			supports, err := f.independent(ctx, who, clue, append(same, photo))
			if err != nil {
				return nil, err
			}
			c.Supports, c.Independent = wire(supports), len(supports) > 0
		}
		out.Clues = append(out.Clues, c)
	}
	return out, nil
}

// resting finds the links and findings that name a photo.
func (f *Flow) resting(ctx context.Context, who *access.Actor, photo field.RecordID) (links, findings []*field.Record, err error) {
	links, _, err = f.all(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindLink}, States: []field.State{"proposed", "confirmed"}, Keys: where{}.is("targetId", string(photo)),
	}, mostLinks)
	if err != nil {
		return nil, nil, err
	}
	findings, _, err = f.all(ctx, who, store.Query{Kinds: []field.Kind{field.KindFinding}, Keys: where{}.is("evidence", string(photo))}, mostLinks)
	return links, findings, err
}

func (f *Flow) independent(ctx context.Context, who *access.Actor, clue field.RecordID, photos []*field.Record) ([]*field.Record, error) {
	links, _, err := f.all(ctx, who, store.Query{
		Kinds: []field.Kind{field.KindLink}, States: []field.State{"proposed", "confirmed"}, Keys: where{}.is("clueId", string(clue)),
	}, mostLinks)
	if err != nil {
		return nil, err
	}
	fallen := map[string]bool{}
	for _, p := range photos {
		fallen[string(p.ID)] = true
		fallen[p.Text("reportId")] = true
	}
	var ids []field.RecordID
	for _, l := range links {
		ids = append(ids, field.RecordID(l.Text("targetId")))
	}
	targets, err := f.readMany(ctx, who, distinct(ids))
	if err != nil {
		return nil, err
	}
	var stand []*field.Record
	for _, l := range links {
		target := targets[field.RecordID(l.Text("targetId"))]
		if l.Text("relation") == "contradicts" || fallen[l.Text("targetId")] {
			continue
		}
		if target != nil && target.Kind == field.KindFinding && !slices.ContainsFunc(target.Texts("evidence"), func(e string) bool { return !fallen[e] }) {
			continue
		}
		stand = append(stand, l)
	}
	return stand, nil
}
